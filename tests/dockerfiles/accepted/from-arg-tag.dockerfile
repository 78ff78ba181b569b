ARG TAG=latest
FROM castoff.test/busybox:${TAG}
LABEL tag=arg
