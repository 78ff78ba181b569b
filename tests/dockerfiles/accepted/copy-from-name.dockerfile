FROM castoff.test/busybox AS one
COPY app.txt /app.txt
FROM scratch
COPY --from=one /app.txt /
