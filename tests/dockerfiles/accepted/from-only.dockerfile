FROM castoff.test/busybox
