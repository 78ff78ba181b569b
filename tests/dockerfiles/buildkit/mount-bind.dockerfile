FROM castoff.test/busybox
RUN --mount=type=bind,target=/src cat /src/app.txt
