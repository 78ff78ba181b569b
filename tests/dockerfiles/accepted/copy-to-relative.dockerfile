FROM castoff.test/busybox
WORKDIR /app
COPY app.txt .
COPY app.txt ./other.txt
COPY dir/ dir/
