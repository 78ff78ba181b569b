FROM castoff.test/busybox
RUN --mount=type=cache,target=/a,readonly true
RUN --mount=type=cache,target=/a,ro=true true
RUN --mount=type=cache,target=/a,readonly=false true
RUN --mount=type=cache,target=/a,rw true
