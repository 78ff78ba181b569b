FROM scratch
ENV --x=y a=1
