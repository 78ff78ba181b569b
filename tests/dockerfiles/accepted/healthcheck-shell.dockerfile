FROM castoff.test/busybox
HEALTHCHECK CMD wget -q -O- http://localhost/ || exit 1
