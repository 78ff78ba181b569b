# syntax=docker/dockerfile:1
FROM castoff.test/busybox AS seed
FROM castoff.test/busybox
ARG name=n dir
RUN --mount=type=cache,uid=2667,sharing=shared,destination=relative,gid=0,readonly=true echo a && echo b
RUN --mount=type=secret,mode=0,id=s \
    echo a && echo b
RUN --mount=type=ssh,id=default \
    --mount=type=ssh,gid=0,id=default \
    --mount=type=cache,target=/ü,source=/s,readonly=true \
    echo a && echo b
RUN --network=default \
    --mount=type=ssh,mode=0400,id=default \
    --mount=type=tmpfs,target=/a/b,size=1g \
    echo a && echo b
