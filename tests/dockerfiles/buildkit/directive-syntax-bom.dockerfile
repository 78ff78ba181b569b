# syntax=docker/dockerfile:1
FROM scratch
COPY --link app.txt /
