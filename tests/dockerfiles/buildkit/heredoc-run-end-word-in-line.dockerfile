FROM castoff.test/busybox
RUN <<EOF
echo EOF
 EOF
EOF2
xEOF
EOF
