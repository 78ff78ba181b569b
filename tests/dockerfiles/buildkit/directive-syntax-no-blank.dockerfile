#syntax=docker/dockerfile:1.20
FROM scratch
COPY --parents dir/one.txt /
