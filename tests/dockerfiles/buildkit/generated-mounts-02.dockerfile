FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=cache,destination=/a,mode=0,gid=0,rw=f --mount=type=tmpfs,size=16m,dst=relative echo a && echo b
RUN --mount=type=secret,env=TOKEN,id=s,gid=0 \
  # A comment.
  --mount=type=cache,dst=/with-$name,mode=0400 \
  # A comment.
  --mount=type=tmpfs,destination=/ü \
  # A comment.
  echo a && echo b
RUN --mount=type=cache,gid=0,mode=0400,from=seed,sharing=shared,source=/s,destination=relative,id=c-6 --mount=type=secret,env=TOKEN,id=s,gid=0,required=true echo a && echo b
RUN --mount=type=ssh,target=/a,mode=0400,id=default \
    true
