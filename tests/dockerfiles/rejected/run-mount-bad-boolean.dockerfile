FROM castoff.test/busybox
RUN --mount=type=cache,target=/a,readonly=maybe true
