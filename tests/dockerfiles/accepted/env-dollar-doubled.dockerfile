FROM scratch
ENV x=1
ENV a=$$ b=$$x c="$$"
