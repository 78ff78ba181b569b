ARG A=1
ARG B=$A
ARG C="x y" D='z'

ARG E
FROM scratch
ARG B
LABEL b=$B
