FROM castoff.test/busybox
# A comment.
ENV a=1 \
    b=2
COPY app.txt /
CMD ["cat", "/app.txt"]
