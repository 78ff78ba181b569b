FROM castoff.test/busybox
RUN
