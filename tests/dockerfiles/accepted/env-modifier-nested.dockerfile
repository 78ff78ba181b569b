FROM scratch
ENV x=value
ENV a=${a:-${b:-${c:-deep}}} b=${x:+${x:+${x}}} c=${n:-"in quotes"} d=${n:-'$x'} e=${n:-a\}b}
