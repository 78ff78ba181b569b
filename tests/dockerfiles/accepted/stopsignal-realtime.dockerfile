FROM castoff.test/busybox
STOPSIGNAL SIGRTMIN+3
