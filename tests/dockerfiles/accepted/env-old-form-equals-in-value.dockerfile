FROM scratch
ENV OPTIONS a=b c=d
ENV OTHER -Dx=y
