FROM castoff.test/busybox AS busybox
ENV A=1
FROM busybox
ENV B=2
