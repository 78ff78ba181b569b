FROM castoff.test/busybox
RUN --mount=type=bind,target=/a,sharing=locked true
