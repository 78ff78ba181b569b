FROM castoff.test/busybox
RUN ["sh", "-c", "test \"$0\" = sh && echo '$HOME' > /home.txt"]
