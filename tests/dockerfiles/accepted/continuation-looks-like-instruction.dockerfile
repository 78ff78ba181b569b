FROM castoff.test/busybox
CMD echo \
FROM scratch \
RUN x
LABEL after=yes
