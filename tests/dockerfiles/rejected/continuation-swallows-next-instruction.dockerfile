FROM castoff.test/busybox
ENV a=1 \
LABEL b=2
