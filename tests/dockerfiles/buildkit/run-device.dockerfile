# syntax=docker/dockerfile:1-labs
FROM castoff.test/busybox
RUN --device=vendor.test/device=all true
RUN --device=vendor.test/device=one,required true
RUN --device=name=vendor.test/device=all,required=true true
