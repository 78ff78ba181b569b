FROM castoff.test/busybox
HEALTHCHECK cmd true
