FROM castoff.test/busybox
STOPSIGNAL "SIGHUP"
