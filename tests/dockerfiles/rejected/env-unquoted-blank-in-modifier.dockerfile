FROM scratch
ENV a=${x:-two words}
