FROM castoff.test/busybox
COPY ./ ./
COPY ./app.txt ././b.txt
