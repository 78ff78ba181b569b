FROM castoff.test/busybox
ADD ["with space.txt", "/with space/"]
