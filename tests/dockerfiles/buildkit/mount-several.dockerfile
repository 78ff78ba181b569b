FROM castoff.test/busybox
RUN --mount=type=cache,target=/a --mount=type=cache,target=/b --mount=type=tmpfs,target=/c true
