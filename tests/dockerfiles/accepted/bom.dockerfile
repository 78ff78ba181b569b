FROM scratch
LABEL bom=yes
