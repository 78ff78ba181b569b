FROM castoff.test/busybox
USER 1000:1000
