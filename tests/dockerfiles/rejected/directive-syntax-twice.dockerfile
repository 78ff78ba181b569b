# syntax=docker/dockerfile:1
# syntax=docker/dockerfile:1
FROM scratch
LABEL a=1
