FROM castoff.test/busybox
RUN test a = a \
  && test b = b
