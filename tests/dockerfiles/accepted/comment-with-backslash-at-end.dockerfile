FROM scratch
# This comment ends with a backslash \
LABEL a=1
