FROM castoff.test/busybox
RUN --mount=type=secret,id=a,source=b,target=/c true
