FROM --platform="linux/amd64" castoff.test/busybox AS quoted
LABEL platform=quoted
