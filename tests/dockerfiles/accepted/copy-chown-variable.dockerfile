FROM castoff.test/busybox
ARG owner=app
COPY --chown=$owner:${owner} app.txt /1
