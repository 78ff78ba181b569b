FROM scratch
LABEL description This text is not quoted.
