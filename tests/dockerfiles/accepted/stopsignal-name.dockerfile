FROM castoff.test/busybox
STOPSIGNAL SIGQUIT
