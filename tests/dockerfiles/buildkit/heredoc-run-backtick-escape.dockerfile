# escape=`
FROM castoff.test/busybox
RUN <<EOF
echo `
x \
EOF
LABEL a=1 `
  b=2
