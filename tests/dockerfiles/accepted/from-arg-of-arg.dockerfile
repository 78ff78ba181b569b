ARG HOST=castoff.test
ARG NAME=busybox
ARG IMAGE=${HOST}/${NAME}
FROM ${IMAGE} AS made
LABEL image=composed
