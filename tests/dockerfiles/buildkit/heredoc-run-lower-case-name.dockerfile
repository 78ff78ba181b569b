FROM castoff.test/busybox
run <<eof
echo x
eof
