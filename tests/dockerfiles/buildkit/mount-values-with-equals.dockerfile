FROM castoff.test/busybox
RUN --mount=type=cache,id=a=b,target=/a ls /a
