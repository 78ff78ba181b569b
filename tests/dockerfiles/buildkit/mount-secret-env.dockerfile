FROM castoff.test/busybox
RUN --mount=type=secret,id=token,env=TOKEN test -n "$TOKEN"
