#ESCAPE=`
# Check = error=true
#syntax = docker/dockerfile:1
FROM scratch
LABEL a=1 `
  b=2
