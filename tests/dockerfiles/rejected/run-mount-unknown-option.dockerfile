FROM castoff.test/busybox
RUN --mount=type=cache,target=/a,colour=red true
