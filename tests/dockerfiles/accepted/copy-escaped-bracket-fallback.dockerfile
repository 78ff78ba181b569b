FROM castoff.test/busybox
COPY [a]pp.txt /a/
