FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=cache,readonly=true,sharing=private,destination=/a/b \
  # A comment.
  --mount=type=secret,mode=755,required=false,gid=0,id=s \
  # A comment.
  --mount=type=tmpfs,destination=relative \
  # A comment.
  true
RUN --mount=type=cache,rw,target=/ü,id=c-6 \
  # A comment.
  --mount=type=secret,target=/a/b,uid=2016,required=true,mode=755,id=s \
  # A comment.
  --mount=type=tmpfs,size=1g,dst=relative \
  # A comment.
  true
RUN --mount=type=tmpfs,destination=/ü \
    --mount=type=secret,id=s,dst=/a,uid=12,gid=0 \
    --mount=type=tmpfs,destination=relative,size=1g \
    echo a && echo b
RUN --mount=type=cache,id=c-0,from=seed,sharing=private,target=${dir:-/d} \
  # A comment.
  --mount=type=ssh,uid=240,gid=0,required \
  # A comment.
  --mount=type=secret,id=s,mode=755,target=relative \
  # A comment.
  ["true", "x"]
