FROM castoff.test/busybox
ADD app.txt dir/one.txt /all/
ADD dir /dir
