FROM castoff.test/busybox
USER app
