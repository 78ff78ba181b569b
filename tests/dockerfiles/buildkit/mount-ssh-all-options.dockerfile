FROM castoff.test/busybox
RUN --mount=type=ssh,id=key,target=/ssh.sock,required=true,mode=0600,uid=1000,gid=1000 test -S /ssh.sock
RUN --mount=type=ssh,required test -S "$SSH_AUTH_SOCK"
