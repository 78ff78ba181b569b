FROM castoff.test/busybox
RUN [ -d /bin ] && [ ! -e /nowhere ]
