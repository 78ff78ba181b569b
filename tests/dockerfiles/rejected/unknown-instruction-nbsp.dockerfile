FROM scratch
RUN true
