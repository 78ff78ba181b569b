FROM scratch
LABEL a="one
