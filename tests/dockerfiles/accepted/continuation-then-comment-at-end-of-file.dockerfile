FROM scratch
LABEL a=1 \
# The end.
