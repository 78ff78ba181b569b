FROM scratch
ARG ports="80 81"
EXPOSE $ports
