FROM scratch
ENV x=value
ENV a="${x:?is missing}" b=${x:?}
