FROM scratch
COPY --from=castoff.test/busybox /etc/passwd /etc/group /etc/
