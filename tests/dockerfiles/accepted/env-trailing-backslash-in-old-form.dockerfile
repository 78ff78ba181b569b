FROM scratch
ENV a b\\
LABEL after=yes
