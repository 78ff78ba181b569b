FROM scratch
ENV a=one"two three"'four $five'six b='a'"b"c\ d c="'"'"'
