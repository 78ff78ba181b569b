FROM castoff.test/busybox
ONBUILD RUN --nonsense true
