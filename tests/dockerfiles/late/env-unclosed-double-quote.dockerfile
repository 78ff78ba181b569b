FROM scratch
ENV a="one
