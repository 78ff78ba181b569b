FROM castoff.test/busybox
ADD --chown=1000:1000 app.txt dir /x/
