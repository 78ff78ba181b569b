FROM castoff.test/busybox
RUN --mount=type=cache,target=/root/.cache echo x > /root/.cache/x
