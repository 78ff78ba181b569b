FROM castoff.test/busybox
ONBUILD INSTALL x
