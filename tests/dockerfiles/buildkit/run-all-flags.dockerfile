# syntax=docker/dockerfile:1-labs
FROM castoff.test/busybox
RUN --network=none --security=sandbox --mount=type=cache,target=/a ls /a
RUN --mount=type=cache,target=/a --security=sandbox --network=none -- ls /a
