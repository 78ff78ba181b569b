ENV a=1
FROM scratch
