# escape=\
# escape=\
FROM scratch
LABEL a=1
