FROM castoff.test/busybox
RUN cat <<EOF
