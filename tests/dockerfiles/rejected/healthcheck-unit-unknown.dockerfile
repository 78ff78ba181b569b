FROM scratch
HEALTHCHECK --interval=5d CMD true
