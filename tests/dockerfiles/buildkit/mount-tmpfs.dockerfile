FROM castoff.test/busybox
RUN --mount=type=tmpfs,target=/t touch /t/x
