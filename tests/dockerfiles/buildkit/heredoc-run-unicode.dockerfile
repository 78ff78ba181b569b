FROM castoff.test/busybox
RUN <<EOF
echo "Grüße 漢字 😀"
EOF
