FROM castoff.test/busybox
RUN --mount=type=cache,target=/a \
    # A comment.
    --mount=type=bind,target=/b \
    --mount=type=tmpfs,target=/c \
  ls /a \
  && ls /b
