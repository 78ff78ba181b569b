FROM --platform=linux/amd64 --platform=linux/arm64 castoff.test/busybox
