LABEL a=1
FROM scratch
