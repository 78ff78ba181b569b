FROM castoff.test/busybox
USER $nothing
