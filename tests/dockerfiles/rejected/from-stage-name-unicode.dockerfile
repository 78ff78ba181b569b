FROM scratch AS größe
