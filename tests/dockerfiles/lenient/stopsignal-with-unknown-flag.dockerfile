FROM castoff.test/busybox
STOPSIGNAL --x SIGINT
