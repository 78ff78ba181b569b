FROM scratch
ARG a=arg
ENV a=env
LABEL a=$a
