FROM \
  castoff.test/busybox \
  AS \
  base
LABEL split=yes
