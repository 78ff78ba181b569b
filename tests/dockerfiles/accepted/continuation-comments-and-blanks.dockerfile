FROM castoff.test/busybox
LABEL a=1 \
# At the first column.
      b=2 \
      # Behind blanks.
      c=3 \

      d=4 \


# After blank lines.
      e=5
