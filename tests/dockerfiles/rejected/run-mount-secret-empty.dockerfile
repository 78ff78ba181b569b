FROM castoff.test/busybox
RUN --mount=type=secret true
