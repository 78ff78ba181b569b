FROM castoff.test/busybox
LABEL a=1 \
  # A comment.

  b=2
CMD echo \
  done
