FROM castoff.test/busybox
WORKDIR /a#b
LABEL c=d #e=f
