FROM scratch
WORKDIR --p /a
