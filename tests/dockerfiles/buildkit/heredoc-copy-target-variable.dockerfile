FROM scratch
ARG dir=/d
COPY <<EOF ${dir}/x
text
EOF
