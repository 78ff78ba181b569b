FROM castoff.test/busybox
RUN --mount=type=secret,id=token,required cat /run/secrets/token
RUN --mount=type=secret,id=token,required=false true
