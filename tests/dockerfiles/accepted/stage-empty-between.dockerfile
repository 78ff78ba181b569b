FROM castoff.test/busybox AS empty
FROM scratch
COPY --from=empty /etc/passwd /etc/passwd
