FROM scratch
ENV $nothing=x
