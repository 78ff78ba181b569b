FROM scratch AS 1stage
