FROM castoff.test/busybox
COPY app.txt <<made.txt dir/one.txt /dir/
made
made.txt
