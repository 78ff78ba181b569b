FROM castoff.test/busybox
onbuild run true
ONBUILD env a=b
