FROM castoff.test/busybox
COPY --chown="app:app" app.txt /1
COPY --chown='1:1' app.txt /2
