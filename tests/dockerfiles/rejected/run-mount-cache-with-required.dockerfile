FROM castoff.test/busybox
RUN --mount=type=cache,target=/a,required=true true
