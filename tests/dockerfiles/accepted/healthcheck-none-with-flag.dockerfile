FROM castoff.test/busybox
HEALTHCHECK --interval=5s NONE
