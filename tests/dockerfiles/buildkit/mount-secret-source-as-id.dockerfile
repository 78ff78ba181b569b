FROM castoff.test/busybox
RUN --mount=type=secret,source=token,target=/token cat /token
