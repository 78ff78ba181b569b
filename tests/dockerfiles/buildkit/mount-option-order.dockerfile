FROM castoff.test/busybox
RUN --mount=target=/a,sharing=locked,type=cache ls /a
RUN --mount=id=token,type=secret,required=true cat /run/secrets/token
