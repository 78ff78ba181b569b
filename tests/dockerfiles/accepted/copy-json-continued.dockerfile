FROM castoff.test/busybox
COPY [ "app.txt", \
       "with space.txt", \
       "/x/" ]
