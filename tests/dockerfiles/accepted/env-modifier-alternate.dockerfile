FROM scratch
ENV x=value empty=
ENV a=${x:+d} b=${nothing:+d} c=${empty:+d} d=${x:+$x/more} e="${x:+a b}"
