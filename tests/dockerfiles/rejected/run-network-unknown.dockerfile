FROM castoff.test/busybox
RUN --network=bridge true
