ARG IMAGE=castoff.test/busybox
FROM $IMAGE
LABEL image=arg
