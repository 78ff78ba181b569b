FROM castoff.test/busybox
WORKDIR /with\ space
