# maintainer=someone
FROM scratch
LABEL a=1
