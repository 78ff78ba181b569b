FROM castoff.test/busybox
RUN <<EOF
echo one \
  two \
EOF
  three
EOF
LABEL after=yes
