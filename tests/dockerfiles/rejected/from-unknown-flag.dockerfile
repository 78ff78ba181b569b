FROM --arch=amd64 scratch
LABEL a=1
