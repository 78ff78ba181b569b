# escape=`
FROM scratch
LABEL a=1 `
# A comment.
  b=2 `
  c=3
