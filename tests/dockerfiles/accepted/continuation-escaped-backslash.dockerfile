FROM castoff.test/busybox
ENV dir=c:\\
LABEL after=yes
