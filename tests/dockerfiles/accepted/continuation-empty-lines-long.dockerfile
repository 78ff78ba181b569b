FROM castoff.test/busybox
RUN true \

  && true \
  
  && true
