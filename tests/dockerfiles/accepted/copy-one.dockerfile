FROM castoff.test/busybox
COPY app.txt /app.txt
