FROM castoff.test/busybox
RUN --mount=TYPE=cache,Target=/a,SHARING=locked true
RUN --mount=type=Cache,target=/a,sharing=LOCKED true
