FROM scratch
CMD["a"]
