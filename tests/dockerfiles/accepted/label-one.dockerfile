FROM scratch
LABEL version=1.0
