# syntax=docker/dockerfile:1
FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --network=default --mount=type=cache,gid=0,ro=false,target=/with-$name,mode=755 ["true", "x"]
RUN --mount=type=cache,source=/s,destination=/with-$name,readonly \
    true
RUN --mount=type=tmpfs,target=/ü \
  # A comment.
  --mount=type=ssh,required,gid=0,id=default \
  # A comment.
  --mount=type=secret,env=TOKEN,uid=2523,id=s \
  # A comment.
  true
RUN --mount=type=secret,target=${dir:-/d},id=s \
  # A comment.
  --mount=type=cache,gid=0,target=${dir:-/d},readwrite=1,id=c-9 \
  # A comment.
  --mount=type=secret,env=TOKEN,id=s \
  # A comment.
  ["true", "x"]
