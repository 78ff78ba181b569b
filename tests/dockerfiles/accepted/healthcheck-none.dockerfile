FROM castoff.test/busybox
HEALTHCHECK NONE
