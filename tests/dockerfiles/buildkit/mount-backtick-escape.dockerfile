# escape=`
FROM castoff.test/busybox
RUN --mount=type=cache,target=/a `
    --mount=type=tmpfs,target=/b `
    ls /a /b
