FROM scratch
HEALTHCHECK --interval CMD true
