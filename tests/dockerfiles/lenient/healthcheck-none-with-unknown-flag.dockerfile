FROM castoff.test/busybox
HEALTHCHECK --nonsense NONE
