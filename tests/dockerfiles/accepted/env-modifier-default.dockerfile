FROM scratch
ENV x=value empty=
ENV a=${x:-d} b=${nothing:-d} c=${empty:-d} d=${nothing:-} e=${nothing:-${x}} f="${nothing:-a b}"
