FROM scratch
ENTRYPOINT [null]
