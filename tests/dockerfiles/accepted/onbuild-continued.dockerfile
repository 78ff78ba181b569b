FROM castoff.test/busybox
ONBUILD RUN one && \
  # A comment.
  two && \
  three
ONBUILD \
  LABEL a=b
