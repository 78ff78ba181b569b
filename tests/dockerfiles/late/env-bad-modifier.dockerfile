FROM scratch
ENV a=${x:=y}
