FROM castoff.test/busybox
ONBUILD HEALTHCHECK nonsense
