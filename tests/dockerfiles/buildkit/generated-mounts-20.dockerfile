FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=secret,id=s,env=TOKEN \
    ["true", "x"]
RUN --mount=type=tmpfs,destination=/a/b \
  # A comment.
  --network=default \
  # A comment.
  --mount=type=tmpfs,size=1,dst=/with-$name \
  # A comment.
  echo a && echo b
RUN --mount=type=ssh,mode=0400,required --network=none --mount=type=tmpfs,target=/a echo a && echo b
RUN --mount=type=ssh,id=default,mode=0400 \
    ["true", "x"]
