FROM scratch
ARG --x a
LABEL a=$a
