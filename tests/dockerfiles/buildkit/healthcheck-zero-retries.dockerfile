FROM castoff.test/busybox
HEALTHCHECK --retries=0 CMD true
