FROM scratch
LABEL last=line