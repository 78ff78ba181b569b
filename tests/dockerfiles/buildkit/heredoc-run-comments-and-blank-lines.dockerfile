FROM castoff.test/busybox
RUN <<EOF
# A comment of the script.

echo one

  # Another.

EOF
