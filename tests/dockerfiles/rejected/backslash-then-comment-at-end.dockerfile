FROM scratch
LABEL a=1
\
# A comment.
