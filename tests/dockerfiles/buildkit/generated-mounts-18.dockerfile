FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=tmpfs,destination=relative \
  # A comment.
  --mount=type=ssh,mode=755,gid=0,id=default,required=true \
  # A comment.
  echo a && echo b
RUN --mount=type=ssh,required \
  # A comment.
  --mount=type=ssh,id=default,destination=relative \
  # A comment.
  --network=default \
  # A comment.
  --mount=type=secret,gid=0,id=s,dst=/a,env=TOKEN \
  # A comment.
  echo a && echo b
RUN --mount=type=bind,from=seed,rw,destination=/a,source=dir --network=default --mount=type=cache,destination=/ü,sharing=private,source=/s,gid=0,mode=0,uid=2303 --mount=type=ssh,gid=0,target=relative echo a && echo b
RUN --mount=type=tmpfs,dst=/a/b \
    --mount=type=bind,source=dir,destination=relative \
    --mount=type=bind,destination=/a/b,ro \
    true
