FROM --platform=${BUILDPLATFORM:-linux/amd64} castoff.test/busybox
COPY --link app.txt /
