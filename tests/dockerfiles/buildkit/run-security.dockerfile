# syntax=docker/dockerfile:1-labs
FROM castoff.test/busybox
RUN --security=sandbox true
RUN --security=insecure true
