FROM castoff.test/busybox
ONBUILD COPY x
