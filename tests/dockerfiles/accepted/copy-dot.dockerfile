FROM castoff.test/busybox
COPY . /all
