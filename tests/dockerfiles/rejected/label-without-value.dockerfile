FROM scratch
LABEL name
