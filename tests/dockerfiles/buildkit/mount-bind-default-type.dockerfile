FROM castoff.test/busybox
RUN --mount=target=/src cat /src/app.txt
