FROM castoff.test/busybox
RUN true
    && true
