FROM castoff.test/busybox
ENTRYPOINT []
