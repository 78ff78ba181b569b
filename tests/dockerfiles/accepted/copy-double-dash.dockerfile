FROM castoff.test/busybox
COPY -- app.txt /x
