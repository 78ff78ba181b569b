FROM castoff.test/busybox
RUN --mount=type=cache,target=/a true
RUN --mount=type=cache,dst=/a true
RUN --mount=type=cache,destination=/a true
