FROM castoff.test/busybox
ONBUILD WORKDIR
