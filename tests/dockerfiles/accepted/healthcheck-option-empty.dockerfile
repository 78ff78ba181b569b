FROM castoff.test/busybox
HEALTHCHECK --interval= --retries= CMD true
