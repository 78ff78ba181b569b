FROM scratch
ARG a=1 =2
