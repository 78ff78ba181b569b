FROM scratch
INSTALL x
