FROM castoff.test/busybox
RUN --mount=cache true
