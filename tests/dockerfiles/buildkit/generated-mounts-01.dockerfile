# syntax=docker/dockerfile:1
FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=secret,id=s,mode=0,required=1 true
RUN --mount=type=cache,destination=${dir:-/d} --mount=type=bind,source=dir,from=seed,ro=false,target=${dir:-/d} --mount=type=cache,readonly=true,source=/s,uid=2461,dst=/ü,gid=0,from=seed,id=c-1 echo a && echo b
RUN --network=host \
    --mount=type=secret,id=s,target=relative \
    true
RUN --mount=type=ssh,dst=relative,id=default,mode=0 \
  # A comment.
  --mount=type=ssh,mode=755,id=default,required=true \
  # A comment.
  --mount=type=secret,gid=0,id=s,uid=2597 \
  # A comment.
  ["true", "x"]
