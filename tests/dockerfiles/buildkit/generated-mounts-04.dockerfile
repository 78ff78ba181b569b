FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=ssh,target=/ü,required=true,mode=0,uid=1634 --mount=type=tmpfs,target=/a,size=1g --mount=type=ssh,uid=3813,gid=0,required=true,id=default echo a && echo b
RUN --network=none \
  # A comment.
  --mount=type=bind,target=/ü,from=seed \
  # A comment.
  --mount=type=ssh,uid=3575,mode=0 \
  # A comment.
  --mount=type=cache,uid=3964,gid=0,dst=/ü \
  # A comment.
  echo a && echo b
RUN --mount=type=ssh,dst=relative,gid=0,mode=0400 ["true", "x"]
RUN --mount=type=bind,dst=relative \
  # A comment.
  --mount=type=ssh,required=true,gid=0,target=/ü,id=default \
  # A comment.
  ["true", "x"]
