FROM castoff.test/busybox
ADD app.txt /app.txt
