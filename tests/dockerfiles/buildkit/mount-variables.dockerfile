FROM castoff.test/busybox
ARG dir=/cache
ENV id=my
RUN --mount=type=cache,target=${dir},id=$id-cache ls ${dir}
RUN --mount=type=bind,source=${file:-app.txt},target=/x cat /x
