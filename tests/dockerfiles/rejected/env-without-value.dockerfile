FROM scratch
ENV name
