FROM castoff.test/busybox
RUN cat <<EOF | tr a-z A-Z > /upper
text
EOF
