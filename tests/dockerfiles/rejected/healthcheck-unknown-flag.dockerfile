FROM scratch
HEALTHCHECK --every=5s CMD true
