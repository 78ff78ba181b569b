FROM castoff.test/busybox
RUN echo "<<EOF" '<<EOF' a<<EOF
