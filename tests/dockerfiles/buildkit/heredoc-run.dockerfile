FROM castoff.test/busybox
RUN <<EOF
set -e
echo one > /one
echo two > /two
EOF
