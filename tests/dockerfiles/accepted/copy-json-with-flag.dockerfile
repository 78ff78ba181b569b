FROM castoff.test/busybox
COPY --chown=1000:1000 ["app.txt", "/x y"]
