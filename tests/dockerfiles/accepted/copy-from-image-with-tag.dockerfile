FROM scratch
COPY --from=castoff.test/busybox:latest /etc/passwd /etc/
