FROM castoff.test/busybox AS one
FROM scratch
ARG stage=one
COPY --from=$stage /etc/passwd /
