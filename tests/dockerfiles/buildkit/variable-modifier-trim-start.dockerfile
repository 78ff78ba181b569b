FROM scratch
ARG x=foobarbaz
ENV a=${x#f*b} b=${x##f*b} c=${x#nothing}
