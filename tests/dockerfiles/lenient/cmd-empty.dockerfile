FROM scratch
LABEL a=1
CMD
