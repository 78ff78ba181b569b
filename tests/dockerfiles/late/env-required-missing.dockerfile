FROM scratch
ENV a="${x:?is missing}"
