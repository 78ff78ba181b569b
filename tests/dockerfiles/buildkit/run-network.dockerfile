FROM castoff.test/busybox
RUN --network=default true
RUN --network=none true
RUN --network=host true
