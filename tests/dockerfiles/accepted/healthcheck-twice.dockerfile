FROM castoff.test/busybox
HEALTHCHECK CMD one
HEALTHCHECK --retries=2 CMD two
