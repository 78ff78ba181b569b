FROM scratch
ENV a it's
