FROM castoff.test/busybox
HEALTHCHECK --interval=10s \
            --timeout=2s \
            # A comment.
            --retries=3 \
  CMD test -e /tmp/ready \
   || exit 1
