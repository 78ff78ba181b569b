FROM $nothing
LABEL a=1
