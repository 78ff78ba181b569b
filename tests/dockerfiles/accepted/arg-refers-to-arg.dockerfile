FROM scratch
ARG a=1
ARG b=${a}.2 c=${a:-9}
LABEL b=$b c=$c
