FROM castoff.test/busybox
RUN echo "<<EOF" 'a <<EOF' && cat <<EOF
text
EOF
