FROM scratch
ARG port=80
ENV other=81
EXPOSE $port ${other}/udp ${nothing:-82}
