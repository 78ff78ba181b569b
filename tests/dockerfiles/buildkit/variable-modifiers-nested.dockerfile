FROM scratch
ARG x=v1.2.3
ENV a=${x#v} b=${nothing:-${x#v}} c=${x%.${y:-3}} d="${x/./ }"
