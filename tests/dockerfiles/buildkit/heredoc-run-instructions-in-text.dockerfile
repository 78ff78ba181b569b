FROM castoff.test/busybox
RUN <<EOF
cat > /Dockerfile <<INNER
FROM nothing
RUN x
# syntax=none
INNER
EOF
LABEL after=yes
