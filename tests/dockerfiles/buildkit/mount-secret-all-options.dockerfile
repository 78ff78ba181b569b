FROM castoff.test/busybox
RUN --mount=type=secret,id=token,target=/etc/token,required=true,mode=0440,uid=1000,gid=1000 cat /etc/token
