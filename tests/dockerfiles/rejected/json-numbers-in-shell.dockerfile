FROM scratch
SHELL [1]
