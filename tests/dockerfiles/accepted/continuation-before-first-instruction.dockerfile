\
\
FROM scratch
LABEL a=1
