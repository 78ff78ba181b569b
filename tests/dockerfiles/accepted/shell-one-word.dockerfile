FROM scratch
SHELL ["/shell"]
ENTRYPOINT x y
