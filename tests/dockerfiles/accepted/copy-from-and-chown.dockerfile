FROM castoff.test/busybox AS one
COPY app.txt /app.txt
FROM castoff.test/busybox
COPY --from=one --chown=1:1 /app.txt /x/
COPY --chown=2:2 --from=one /app.txt /y/
