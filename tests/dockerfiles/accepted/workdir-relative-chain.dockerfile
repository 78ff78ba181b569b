FROM castoff.test/busybox
WORKDIR /a
WORKDIR b
WORKDIR ./c
WORKDIR ../d
