FROM castoff.test/busybox
ENV dir=/data
VOLUME ["$dir", "/x/${dir}"]
