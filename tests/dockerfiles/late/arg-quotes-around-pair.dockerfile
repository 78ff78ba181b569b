FROM scratch
ARG "a=x y"
LABEL a=$a
