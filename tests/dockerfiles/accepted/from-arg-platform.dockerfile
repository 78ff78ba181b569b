ARG PLATFORM=linux/amd64
FROM --platform=$PLATFORM castoff.test/busybox
LABEL platform=arg
