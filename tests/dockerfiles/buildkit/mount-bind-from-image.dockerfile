FROM castoff.test/busybox
RUN --mount=type=bind,from=castoff.test/busybox:latest,source=/bin,target=/other ls /other
