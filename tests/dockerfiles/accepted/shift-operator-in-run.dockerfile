FROM castoff.test/busybox
RUN test $((1<<4)) = 16 && x=2 && test "$((x<<2))" = 8
