FROM castoff.test/busybox
RUN --mount=type=cache,target=/a,size=1m true
