FROM castoff.test/busybox
RUN --mount="type=cache,target=/a b" ls "/a b"
RUN --mount='type=cache,target=/a' ls /a
