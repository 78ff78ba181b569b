FROM castoff.test/busybox
ADD archive.tar.gz /unpacked/
