ARG TAG
FROM castoff.test/busybox:${TAG:-latest}
LABEL tag=default
