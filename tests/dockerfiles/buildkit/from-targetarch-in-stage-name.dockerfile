ARG TARGETARCH
FROM castoff.test/busybox AS base-amd64
FROM castoff.test/busybox AS base-arm64
FROM base-${TARGETARCH}
COPY --link app.txt /
