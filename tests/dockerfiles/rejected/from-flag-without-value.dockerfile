FROM --platform scratch
LABEL a=1
