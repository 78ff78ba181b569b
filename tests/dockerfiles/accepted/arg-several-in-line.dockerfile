FROM scratch
ARG a=1 b c="3 4" d=
LABEL a=$a b=$b c=$c d=$d
