FROM castoff.test/busybox AS One
COPY app.txt /app.txt
FROM scratch
COPY --from=oNE /app.txt /
