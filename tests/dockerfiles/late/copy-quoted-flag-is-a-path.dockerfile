FROM castoff.test/busybox
COPY "--chown=1:1" app.txt /2
