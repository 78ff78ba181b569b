FROM castoff.test/busybox
HEALTHCHECK --interval=.5s --timeout=1.25s --start-period=100000us CMD true
