FROM castoff.test/busybox
ONBUILD RUN <<EOF
echo x
EOF
LABEL after=yes
