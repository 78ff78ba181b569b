FROM castoff.test/busybox
CMD []
