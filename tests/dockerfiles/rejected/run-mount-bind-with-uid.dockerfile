FROM castoff.test/busybox
RUN --mount=type=bind,target=/a,uid=1000 true
