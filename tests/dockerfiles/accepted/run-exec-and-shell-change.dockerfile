FROM castoff.test/busybox
SHELL ["/bin/sh", "-eu", "-c"]
RUN test -n "$PATH"
SHELL ["/bin/sh", "-c"]
RUN ["/bin/true"]
