FROM castoff.test/busybox
RUN --cache=/x true
