FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=bind,target=relative --mount=type=cache,id=c-7,dst=/a/b,mode=755,source=/s echo a && echo b
RUN --mount=type=ssh echo a && echo b
RUN --mount=type=secret,id=s,env=TOKEN true
RUN --mount=type=ssh,uid=1055 \
  # A comment.
  echo a && echo b
