FROM castoff.test/busybox
ENV a=x\ y b=c\
\ d
CMD echo a \ b
