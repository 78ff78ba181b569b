FROM scratch
ARG x=foobarbaz
ENV a=${x/ba/fo} b=${x//ba/fo} c=${x/o/} d=${x/\//_}
