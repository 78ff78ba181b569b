FROM castoff.test/busybox
RUN --mount=type=bind,source=app.txt,target=/app.txt cat /app.txt
