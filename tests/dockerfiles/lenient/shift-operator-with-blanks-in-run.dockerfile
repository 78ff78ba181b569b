FROM castoff.test/busybox
RUN test $((1 << 4)) = 16
