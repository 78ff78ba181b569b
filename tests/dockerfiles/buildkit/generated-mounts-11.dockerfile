FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=secret,mode=755,required=false,id=s,gid=0 \
  # A comment.
  --mount=type=tmpfs,target=/a/b \
  # A comment.
  true
RUN --mount=type=ssh,required=true,gid=0 \
  # A comment.
  ["true", "x"]
RUN --mount=type=ssh,mode=0400 --mount=type=cache,uid=3686,id=c-5,dst=relative,sharing=locked,source=/s true
RUN --mount=type=secret,gid=0,required=false,id=s \
  # A comment.
  --mount=type=tmpfs,target=/with-$name,size=3MiB \
  # A comment.
  ["true", "x"]
