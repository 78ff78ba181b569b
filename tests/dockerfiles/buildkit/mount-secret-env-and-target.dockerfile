FROM castoff.test/busybox
RUN --mount=type=secret,id=token,env=TOKEN,target=/token test -n "$TOKEN" -a -f /token
