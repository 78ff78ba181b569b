FROM scratch
LABEL description="This text illustrates \
that a value can span \
several lines."
