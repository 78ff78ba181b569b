FROM castoff.test/busybox
ARG NAME=world
RUN test "hello ${NAME}" = "hello world" && x=1 && test "$x" = 1 && test "${y:-z}" = z && test "$$" -gt 0
