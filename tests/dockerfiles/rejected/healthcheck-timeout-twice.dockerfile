FROM scratch
HEALTHCHECK --timeout=5s --timeout=5s CMD true
