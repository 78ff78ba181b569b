ARG TAG=latest
FROM castoff.test/busybox:${TAG} AS tools
FROM scratch
COPY --link --from=tools /bin/busybox /bin/
