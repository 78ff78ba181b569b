FROM castoff.test/busybox
ENV \
  a=1
CMD \
  ["true"]
WORKDIR \
  /a
