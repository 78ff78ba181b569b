FROM castoff.test/busybox
ENV dir c:\\ \
  d:
LABEL after=yes
