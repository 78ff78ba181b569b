FROM scratch
ARG a=1 \
    # The second.
    b=2 \
    c
LABEL sum=$a$b$c
