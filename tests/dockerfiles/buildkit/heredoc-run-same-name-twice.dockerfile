FROM castoff.test/busybox
RUN cat <<EOF > /a && cat <<EOF > /b
one
EOF
two
EOF
