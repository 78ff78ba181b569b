FROM scratch
EXPOSE 80/tcp 53/udp 5000/sctp 81/TCP
