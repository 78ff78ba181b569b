FROM scratch
ARG name=world
COPY <<EOF /hello.txt
hello ${name}, ${nothing:-nobody}
\$name stays, and so does "quotes" and 'quotes'
a \\ backslash
EOF
