FROM castoff.test/busybox
RUN --mount=type=secret,target=/run/secrets/token cat /run/secrets/token
