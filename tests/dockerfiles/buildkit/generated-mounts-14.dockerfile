# syntax=docker/dockerfile:1
FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=secret,env=TOKEN,id=s,mode=755,uid=1677 \
  # A comment.
  ["true", "x"]
RUN --mount=type=secret,id=s,uid=298,dst=/with-$name,mode=0400,gid=0,env=TOKEN \
  # A comment.
  --network=host \
  # A comment.
  --mount=type=ssh,required=true,uid=3364,id=default,mode=0400 \
  # A comment.
  --mount=type=cache,ro,sharing=locked,source=/s,destination=${dir:-/d},id=c-6 \
  # A comment.
  echo a && echo b
RUN --mount=type=cache,target=/ü \
  # A comment.
  --mount=type=bind,dst=/a,src=dir,rw \
  # A comment.
  true
RUN --mount=type=ssh,mode=0,id=default,gid=0 \
    --mount=type=tmpfs,size=3MiB,dst=relative \
    --mount=type=secret,uid=15,gid=0,id=s,env=TOKEN \
    ["true", "x"]
