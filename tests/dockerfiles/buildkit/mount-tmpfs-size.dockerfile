FROM castoff.test/busybox
RUN --mount=type=tmpfs,target=/t,size=1048576 touch /t/x
RUN --mount=type=tmpfs,target=/t,size=64m touch /t/x
RUN --mount=type=tmpfs,target=/t,size=1GiB touch /t/x
RUN --mount=type=tmpfs,size=512KB,target=/t touch /t/x
