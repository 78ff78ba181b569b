FROM scratch
LABEL of=nothing
