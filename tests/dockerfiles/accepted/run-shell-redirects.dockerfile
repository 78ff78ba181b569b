FROM castoff.test/busybox
RUN echo one > /one 2>&1 && echo two >> /one && wc -l < /one
