FROM scratch
ARG =value
