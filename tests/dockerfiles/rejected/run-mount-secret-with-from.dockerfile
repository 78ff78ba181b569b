FROM castoff.test/busybox
RUN --mount=type=secret,id=a,from=b true
