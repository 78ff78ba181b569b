# syntax=docker/dockerfile:1
FROM castoff.test/busybox AS one
RUN <<EOF
echo 1
EOF
COPY <<EOF /a
2
EOF
RUN <<EOF

EOF

FROM scratch
COPY <<EOF /b
3
EOF
