FROM scratch AS one
LABEL a=1
FROM scratch
LABEL b=1
EXPORT c=1
