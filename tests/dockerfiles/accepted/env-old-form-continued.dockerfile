FROM scratch
ENV name first \
  second \
  third
