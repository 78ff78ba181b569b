FROM castoff.test/busybox
SHELL ["/bin/sh", "-c", "exit 0"]
RUN ['true', 'x']
