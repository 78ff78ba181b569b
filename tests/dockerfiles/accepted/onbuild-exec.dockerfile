FROM castoff.test/busybox
ONBUILD RUN ["make", "-j 2"]
ONBUILD CMD ['fallback']
