# A comment.
# syntax=not/a:frontend
FROM scratch
LABEL a=1
