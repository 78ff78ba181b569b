FROM scratch
ADD --chmod=644 <<a <<-b /dir/
1
a
2
b
