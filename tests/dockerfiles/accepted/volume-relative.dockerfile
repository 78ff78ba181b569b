FROM castoff.test/busybox
VOLUME data
