FROM scratch
ENV "a=one two" b=2
