FROM castoff.test/busybox
HEALTHCHECK --interval=30s --start-period=1m --start-interval=2s --retries=3 CMD true
