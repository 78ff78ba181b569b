FROM castoff.test/busybox
RUN <<$EOF
echo x
$EOF
LABEL after=yes
