FROM castoff.test/busybox
COPY --chown=app app.txt /1
COPY --chown=app:app app.txt /2
COPY --chown=1000 app.txt /3
COPY --chown=1000:1000 app.txt /4
