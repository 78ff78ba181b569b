FROM scratch AS one
ARG a=1
LABEL a=$a
FROM scratch
ARG a
LABEL a=$a
