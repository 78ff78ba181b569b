FROM castoff.test/busybox
ONBUILD COPY <<EOF /x
text
EOF
LABEL after=yes
