FROM castoff.test/busybox
RUN <<EOF
echo one \
  two
EOF
LABEL after=yes
