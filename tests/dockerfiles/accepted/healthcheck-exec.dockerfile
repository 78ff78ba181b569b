FROM castoff.test/busybox
HEALTHCHECK CMD ["/bin/check", "--fast"]
