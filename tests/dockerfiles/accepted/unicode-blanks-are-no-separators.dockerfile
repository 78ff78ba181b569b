FROM scratch
CMD a b c
