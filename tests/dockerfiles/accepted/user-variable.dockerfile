FROM castoff.test/busybox
ARG uid=1000
USER ${uid}:${gid:-1000}
