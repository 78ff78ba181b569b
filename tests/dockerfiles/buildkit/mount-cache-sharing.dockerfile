FROM castoff.test/busybox
RUN --mount=type=cache,target=/a,sharing=shared true
RUN --mount=type=cache,target=/a,sharing=private true
RUN --mount=type=cache,target=/a,sharing=locked true
