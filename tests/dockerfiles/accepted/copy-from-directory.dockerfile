FROM castoff.test/busybox AS one
COPY dir /dir
FROM scratch
COPY --from=one /dir/ /dir/*.txt /out/
