FROM scratch
COPY <<"a.txt" <<'b.txt' /dir/
$in_a
a.txt
$in_b
b.txt
