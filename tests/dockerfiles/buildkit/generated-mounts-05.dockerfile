FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=bind,target=relative,source=dir \
  # A comment.
  --mount=type=ssh,uid=690,id=default \
  # A comment.
  --mount=type=cache,mode=0,id=c-8,target=/a/b,from=seed \
  # A comment.
  ["true", "x"]
RUN --mount=type=cache,source=/s,destination=relative --mount=type=secret,id=s,gid=0 ["true", "x"]
RUN --mount=type=cache,from=seed,target=/a/b,gid=0,sharing=shared,readonly=true true
RUN --mount=type=bind,rw=f,from=seed,destination=${dir:-/d} \
  # A comment.
  --mount=type=secret,uid=2847,id=s,required=1,gid=0,mode=0 \
  # A comment.
  --mount=type=cache,target=/with-$name,mode=0400 \
  # A comment.
  true
