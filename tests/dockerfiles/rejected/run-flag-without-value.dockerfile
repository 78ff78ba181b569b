FROM castoff.test/busybox
RUN --mount true
