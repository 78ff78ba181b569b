FROM castoff.test/busybox
COPY ["with space.txt", "/with space/"]
COPY ["app.txt", "dir/one.txt", "/x y/"]
