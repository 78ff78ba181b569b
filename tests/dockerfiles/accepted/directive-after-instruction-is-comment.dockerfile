FROM scratch
# escape=`
LABEL a=1 \
  b=2
