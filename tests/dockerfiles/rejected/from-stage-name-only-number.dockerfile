FROM scratch AS 0
