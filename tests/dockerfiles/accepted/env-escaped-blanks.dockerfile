FROM scratch
ENV a=one\ two\ three b=x\ y
