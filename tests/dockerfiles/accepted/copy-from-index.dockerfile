FROM castoff.test/busybox
COPY app.txt /app.txt
FROM scratch
COPY --from=0 /app.txt /
