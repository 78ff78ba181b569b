# syntax=docker/dockerfile:1
FROM scratch
COPY <<Dockerfile /Dockerfile
# syntax=docker/dockerfile:1
# escape=`
FROM scratch
COPY <<EOF /x
inner
EOF
Dockerfile
LABEL after=yes
