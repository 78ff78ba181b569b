FROM castoff.test/busybox
RUN cat /dev/fd/3 3<<EOF
through three
EOF
