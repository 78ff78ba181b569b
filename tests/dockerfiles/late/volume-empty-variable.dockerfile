FROM castoff.test/busybox
VOLUME $nothing
