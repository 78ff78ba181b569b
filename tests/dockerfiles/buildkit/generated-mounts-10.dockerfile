# syntax=docker/dockerfile:1
FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=ssh,required,uid=1398,mode=0,dst=/a/b \
  # A comment.
  --mount=type=secret,mode=755,id=s,gid=0 \
  # A comment.
  --mount=type=cache,uid=2789,id=c-8,target=/ü,source=/s \
  # A comment.
  true
RUN --mount=type=tmpfs,destination=/a/b \
  # A comment.
  --mount=type=ssh,uid=1427,gid=0,destination=/with-$name \
  # A comment.
  --mount=type=bind,dst=/a \
  # A comment.
  echo a && echo b
RUN --mount=type=tmpfs,destination=relative \
    true
RUN --network=default \
  # A comment.
  --mount=type=cache,id=c-8,rw,source=/s,destination=${dir:-/d},sharing=locked \
  # A comment.
  --mount=type=ssh,gid=0 \
  # A comment.
  --mount=type=cache,from=seed,dst=${dir:-/d},rw=f,uid=705 \
  # A comment.
  echo a && echo b
