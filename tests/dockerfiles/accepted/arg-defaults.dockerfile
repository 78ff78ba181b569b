FROM scratch
ARG a=1
ARG b=
ARG c="two words"
ARG d='single $x'
ARG e=es\ caped
LABEL a=$a b=$b c=$c d=$d e=$e
