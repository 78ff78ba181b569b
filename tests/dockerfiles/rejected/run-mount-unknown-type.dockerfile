FROM castoff.test/busybox
RUN --mount=type=nothing,target=/a true
