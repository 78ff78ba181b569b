FROM castoff.test/busybox
RUN --mount=type=bind,from=$stage,target=/a true
