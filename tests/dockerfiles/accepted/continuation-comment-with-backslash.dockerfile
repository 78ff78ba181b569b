FROM castoff.test/busybox
LABEL a=1 \
  # This comment ends with a backslash \
  b=2
