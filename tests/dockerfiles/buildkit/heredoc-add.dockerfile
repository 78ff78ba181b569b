FROM scratch
ADD <<EOF /x
text
EOF
