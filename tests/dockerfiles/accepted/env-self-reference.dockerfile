FROM castoff.test/busybox
ENV PATH=/opt/bin:$PATH
ENV PATH $PATH:/opt/sbin
