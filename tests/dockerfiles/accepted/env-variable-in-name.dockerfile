FROM scratch
ARG n=key
ENV $n=value ${n}2=other
