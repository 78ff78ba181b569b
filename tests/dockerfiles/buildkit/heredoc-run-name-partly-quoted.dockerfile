FROM castoff.test/busybox
RUN <<E"O"F
echo x
EOF
