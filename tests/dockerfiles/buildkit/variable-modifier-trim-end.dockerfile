FROM scratch
ARG x=foobarbaz
ENV a=${x%b*} b=${x%%b*} c=${x%?}
