FROM scratch
ENV _=u _a=1 a_1=2
ENV x=$_ y=$_a z=${a_1} p=$1 q=${2} r=$12 s=$@ t=$? u=$#
