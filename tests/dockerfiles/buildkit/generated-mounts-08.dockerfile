FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=cache,destination=/with-$name,uid=1437,id=c-8,gid=0,from=seed \
  # A comment.
  --mount=type=secret,mode=755,uid=804,target=/a/b,id=s \
  # A comment.
  --mount=type=ssh,destination=/a,mode=0400 \
  # A comment.
  true
RUN --mount=type=secret,id=s,required=false,destination=relative \
  # A comment.
  --mount=type=tmpfs,target=/a,size=10k \
  # A comment.
  ["true", "x"]
RUN --mount=type=ssh,required,uid=13,id=default,gid=0 \
  # A comment.
  --mount=type=cache,dst=relative \
  # A comment.
  --mount=type=bind,target=/a/b,readonly,source=dir \
  # A comment.
  true
RUN --mount=type=ssh,gid=0,dst=/a/b,required \
    --mount=type=tmpfs,target=/ü \
    --mount=type=tmpfs,destination=${dir:-/d},size=10k \
    --network=default \
    true
