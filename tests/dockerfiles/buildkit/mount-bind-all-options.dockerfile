FROM castoff.test/busybox AS one
FROM castoff.test/busybox
RUN --mount=type=bind,from=one,source=/etc,target=/one,readwrite touch /one/x
RUN --mount=type=bind,from=one,src=/etc,dst=/one,rw=true touch /one/x
RUN --mount=type=bind,from=one,source=etc,destination=/one,readonly ls /one
