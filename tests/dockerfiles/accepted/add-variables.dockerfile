FROM castoff.test/busybox
ARG name=app
ADD ${name}.txt /${name}-copy.txt
