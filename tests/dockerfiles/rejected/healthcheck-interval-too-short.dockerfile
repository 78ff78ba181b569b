FROM scratch
HEALTHCHECK --interval=10us CMD true
