FROM scratch
SHELL ["/bin/a", "-c"]
CMD one
SHELL ["/bin/b", "-c"]
ENTRYPOINT two
