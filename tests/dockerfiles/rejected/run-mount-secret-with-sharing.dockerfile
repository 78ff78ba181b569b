FROM castoff.test/busybox
RUN --mount=type=secret,id=a,sharing=locked true
