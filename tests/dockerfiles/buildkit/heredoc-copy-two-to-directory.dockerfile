FROM scratch
COPY <<a.txt <<b.txt /dir/
in a
a.txt
in b
b.txt
