FROM castoff.test/busybox
RUN --mount=type=cache,target=/a,uid=root true
