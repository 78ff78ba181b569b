FROM castoff.test/busybox
HEALTHCHECK --interval="10s" --timeout='2s' CMD true
