FROM castoff.test/busybox
WORKDIR $nothing
