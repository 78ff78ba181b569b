FROM scratch
ARG i=5s
HEALTHCHECK --interval=$i CMD true
