FROM castoff.test/busybox
ONBUILD RUN --mount=type=cache,target=/a ls /a
