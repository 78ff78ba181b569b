FROM castoff.test/busybox
RUN --mount=type=cache,target=/a <<EOF
ls /a
EOF
