FROM castoff.test/busybox
COPY "app.txt" '/x.txt'
COPY app.txt "/y.txt"
