FROM scratch
ARG x=value
ENV a=${x-d} b=${nothing-d} c=${x+d} d="${x?is missing}"
