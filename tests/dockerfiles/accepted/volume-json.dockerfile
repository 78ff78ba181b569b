FROM castoff.test/busybox
VOLUME ["/data", "/with space"]
