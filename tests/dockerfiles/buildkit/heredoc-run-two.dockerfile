FROM castoff.test/busybox
RUN cat <<ONE > /one && cat <<TWO > /two
1
ONE
2
TWO
