FROM castoff.test/busybox
STOPSIGNAL term
