FROM castoff.test/busybox
STOPSIGNAL 9
