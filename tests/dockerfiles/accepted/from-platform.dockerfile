FROM --platform=linux/amd64 castoff.test/busybox
LABEL platform=amd64
