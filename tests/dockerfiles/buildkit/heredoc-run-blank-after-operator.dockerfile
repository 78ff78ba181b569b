FROM castoff.test/busybox
RUN cat << EOF
text
EOF
LABEL after=yes
