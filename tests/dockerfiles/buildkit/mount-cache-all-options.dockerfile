FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
RUN --mount=type=cache,id=my-cache,target=/cache,from=seed,source=/etc,sharing=locked,mode=0750,uid=1000,gid=1000 ls /cache
