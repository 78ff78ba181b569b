FROM castoff.test/busybox
WORKDIR /a/b/c
