FROM castoff.test/busybox
RUN --mount=type=cache,target=/a,mode=rwx true
