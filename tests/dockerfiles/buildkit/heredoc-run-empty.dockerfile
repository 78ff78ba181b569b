FROM castoff.test/busybox
RUN <<EOF
EOF
