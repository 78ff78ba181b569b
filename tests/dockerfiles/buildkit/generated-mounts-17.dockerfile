# syntax=docker/dockerfile:1
FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=tmpfs,destination=/ü,size=4096 --mount=type=secret,required=false,dst=/a,uid=863,id=s --mount=type=tmpfs,target=${dir:-/d},size=2gb true
RUN --mount=type=ssh,id=default,uid=3232,required=true \
  # A comment.
  --mount=type=bind,dst=/ü \
  # A comment.
  --mount=type=secret,env=TOKEN,mode=0,target=${dir:-/d},id=s \
  # A comment.
  ["true", "x"]
RUN --mount=type=cache,uid=1568,mode=755,sharing=shared,target=/ü \
  # A comment.
  --mount=type=secret,gid=0,id=s,required=false,env=TOKEN \
  # A comment.
  echo a && echo b
RUN --mount=type=tmpfs,target=/ü \
  # A comment.
  --network=none \
  # A comment.
  --mount=type=ssh,gid=0,dst=/a/b,required \
  # A comment.
  echo a && echo b
