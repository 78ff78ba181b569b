# A comment.
FROM scratch
LABEL bom=yes
