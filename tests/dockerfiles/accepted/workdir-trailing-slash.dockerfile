FROM castoff.test/busybox
WORKDIR /a/
WORKDIR b//
