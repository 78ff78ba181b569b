FROM castoff.test/busybox
RUN --network=none \
    --mount=type=tmpfs,target=/t \
    <<EOF
touch /t/x
EOF
