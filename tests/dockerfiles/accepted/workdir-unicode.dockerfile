FROM castoff.test/busybox
WORKDIR /größe/漢字
