FROM castoff.test/busybox
RUN --mount=type=cache,target=/a\ b ls "/a b"
