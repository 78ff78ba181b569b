FROM castoff.test/busybox AS one
FROM scratch
ADD --from=one /a /b
