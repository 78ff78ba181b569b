FROM castoff.test/busybox
RUN --mount=type=tmpfs,target=/a,size=big true
