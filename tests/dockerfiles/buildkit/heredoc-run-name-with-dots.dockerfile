FROM castoff.test/busybox
RUN <<script.sh
echo x
script.sh
