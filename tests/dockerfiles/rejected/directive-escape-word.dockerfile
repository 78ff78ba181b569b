# escape=backslash
FROM scratch
LABEL a=1
