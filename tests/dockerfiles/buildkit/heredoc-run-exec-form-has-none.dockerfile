FROM castoff.test/busybox
RUN ["echo", "<<EOF"]
LABEL after=yes
