FROM castoff.test/busybox
ONBUILD COPY --link --from=castoff.test/busybox /etc/passwd /x
