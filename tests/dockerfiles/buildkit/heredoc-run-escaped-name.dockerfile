FROM castoff.test/busybox
RUN <<E\OF
echo x
EOF
