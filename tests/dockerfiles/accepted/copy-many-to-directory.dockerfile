FROM castoff.test/busybox
COPY app.txt dir/one.txt dir/two.txt /all/
