FROM scratch
LABEL n=0
FROM scratch
LABEL n=1
FROM scratch
LABEL n=2
