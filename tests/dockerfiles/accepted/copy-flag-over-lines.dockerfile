FROM castoff.test/busybox
COPY \
  --chown=1:1 \
  # A comment.
  app.txt \
  dir/one.txt \
  /out/
