FROM scratch
LABEL a=one two
