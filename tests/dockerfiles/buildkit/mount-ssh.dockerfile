FROM castoff.test/busybox
RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK"
