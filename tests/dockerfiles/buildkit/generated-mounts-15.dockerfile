# syntax=docker/dockerfile:1
FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=secret,mode=755,id=s,required=1 --mount=type=secret,dst=/a/b,gid=0,uid=996,id=s --mount=type=cache,source=/s,destination=/with-$name,uid=2232,readonly true
RUN --mount=type=tmpfs,size=2gb,target=/a/b \
  # A comment.
  --network=none \
  # A comment.
  true
RUN --mount=type=cache,dst=/ü,source=/s,mode=0,from=seed,id=c-6,gid=0 --mount=type=secret,env=TOKEN,id=s,required=1,mode=0400 ["true", "x"]
RUN --network=default \
    --mount=type=cache,uid=2967,from=seed,ro,source=/s,gid=0,id=c-3,destination=/with-$name,sharing=shared \
    ["true", "x"]
