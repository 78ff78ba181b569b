FROM castoff.test/busybox
RUN --mount=type=cache,target=/a,target=/b,sharing=shared,sharing=locked ls /b
