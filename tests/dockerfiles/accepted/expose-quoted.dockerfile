FROM scratch
EXPOSE "80" '81/udp'
