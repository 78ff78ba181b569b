FROM scratch
ENTRYPOINT --x=y true
