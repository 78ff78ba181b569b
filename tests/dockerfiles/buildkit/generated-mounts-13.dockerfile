FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --network=default \
  # A comment.
  --mount=type=tmpfs,dst=/a/b \
  # A comment.
  --mount=type=tmpfs,dst=relative \
  # A comment.
  echo a && echo b
RUN --mount=type=ssh,gid=0,destination=relative,uid=3428 \
    --mount=type=tmpfs,dst=/a/b \
    --mount=type=bind,destination=/with-$name \
    true
RUN --mount=type=secret,required=1,gid=0,id=s,uid=625 \
  # A comment.
  --mount=type=cache,uid=3522,target=${dir:-/d},source=/s \
  # A comment.
  true
RUN --mount=type=tmpfs,destination=${dir:-/d},size=1 \
    --mount=type=cache,id=c-8,mode=0,from=seed,target=/with-$name \
    --network=none \
    true
