FROM scratch
ENV x=value empty=
ENV a=$x b=${x} c=${x}y d=$x-y e="$x z" f='$x' g=$nothing h=${nothing} i=$x$x
