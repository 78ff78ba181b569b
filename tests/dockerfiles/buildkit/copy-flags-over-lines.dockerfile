FROM castoff.test/busybox
COPY --link \
     --chmod=0600 \
     # A comment.
     --chown=app:app \
     app.txt dir/ /out/
