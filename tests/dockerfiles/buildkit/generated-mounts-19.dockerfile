FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=secret,required=false,env=TOKEN,mode=0400,id=s,gid=0 \
  # A comment.
  --network=host \
  # A comment.
  echo a && echo b
RUN --mount=type=ssh,dst=/a/b,required,id=default,mode=755 --mount=type=cache,source=/s,destination=relative,readonly=true ["true", "x"]
RUN --mount=type=tmpfs,size=1g,destination=/a --mount=type=tmpfs,target=/a ["true", "x"]
RUN --mount=type=bind,readonly=true,destination=${dir:-/d} \
    --mount=type=secret,id=s,mode=755 \
    ["true", "x"]
