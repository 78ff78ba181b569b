# escape=`
# syntax=docker/dockerfile:1
FROM scratch
LABEL a=1 `
  b=2
