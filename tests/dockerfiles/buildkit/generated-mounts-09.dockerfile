FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=secret,id=s,uid=1579 \
    --mount=type=ssh,mode=755,target=${dir:-/d} \
    --mount=type=ssh,id=default,gid=0 \
    true
RUN --mount=type=bind,dst=/a,source=dir \
  # A comment.
  --mount=type=cache,sharing=shared,from=seed,uid=33,mode=0,dst=/ü,gid=0 \
  # A comment.
  --mount=type=cache,id=c-5,sharing=shared,target=/ü \
  # A comment.
  --network=none \
  # A comment.
  echo a && echo b
RUN --mount=type=secret,id=s,gid=0,mode=0400 \
    --mount=type=cache,rw=f,dst=relative,source=/s,mode=0400 \
    --mount=type=ssh,gid=0,mode=0 \
    true
RUN --mount=type=ssh,required=true,mode=755,gid=0,uid=3549 \
    --mount=type=secret,destination=/a/b,id=s,required=true,mode=0,uid=3941 \
    --mount=type=secret,dst=/a,id=s \
    echo a && echo b
