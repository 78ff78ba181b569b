FROM castoff.test/busybox
CMD [ "echo", \
      "one", \
      # A comment.
      "two" \
    ]
