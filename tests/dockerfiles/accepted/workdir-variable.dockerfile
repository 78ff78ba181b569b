FROM castoff.test/busybox
ENV dir=/path
ARG name=x
WORKDIR $dir/${name}
