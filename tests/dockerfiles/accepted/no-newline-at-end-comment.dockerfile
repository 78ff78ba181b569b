FROM scratch
LABEL last=line
# The end.