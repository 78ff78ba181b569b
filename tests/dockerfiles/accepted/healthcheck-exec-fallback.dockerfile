FROM castoff.test/busybox
HEALTHCHECK CMD ['true']
