FROM castoff.test/busybox
RUN <<'EOF'
echo "$HOME" `id` \\
EOF
