FROM scratch
# A comment.
COPY
