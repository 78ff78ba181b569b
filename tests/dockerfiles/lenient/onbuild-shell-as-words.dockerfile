FROM castoff.test/busybox
ONBUILD SHELL sh -c
