FROM castoff.test/busybox
RUN cat <<EOF > /out && wc -l < /out
one
two
EOF
