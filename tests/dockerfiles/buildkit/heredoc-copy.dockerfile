FROM scratch
COPY <<EOF /hello.txt
hello
EOF
