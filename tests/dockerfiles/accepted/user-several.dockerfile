FROM castoff.test/busybox
USER root
USER 65534
