FROM scratch
COPY --chmod=600 \
  <<one \
  <<two \
  /dir/
1
one
2
two
