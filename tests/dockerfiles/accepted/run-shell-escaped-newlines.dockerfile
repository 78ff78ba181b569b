FROM castoff.test/busybox
RUN if true; then \
      echo yes; \
    else \
      echo no; \
    fi \
 && echo "a # b" # a shell's comment
