FROM scratch
EXPOSE --tcp 80
