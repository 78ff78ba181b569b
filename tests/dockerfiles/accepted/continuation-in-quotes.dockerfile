FROM scratch
LABEL text="first \
second \
  third"
