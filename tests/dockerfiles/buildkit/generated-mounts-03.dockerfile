FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=tmpfs,destination=/ü --mount=type=cache,from=seed,dst=/a,source=/s,readonly=true,uid=1262,mode=0 --mount=type=secret,target=${dir:-/d},uid=2258,id=s,gid=0 ["true", "x"]
RUN --mount=type=secret,env=TOKEN,dst=/with-$name,gid=0,required=false,id=s \
    --mount=type=bind,from=seed,target=/a \
    --mount=type=ssh,mode=0 \
    ["true", "x"]
RUN --mount=type=ssh,gid=0,required,id=default \
    --mount=type=tmpfs,target=relative \
    --network=default \
    true
RUN --mount=type=bind,ro=false,target=/a/b,source=dir --mount=type=cache,gid=0,target=/a/b,id=c-5 true
