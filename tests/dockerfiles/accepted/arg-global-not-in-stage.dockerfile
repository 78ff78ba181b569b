ARG VERSION=1.2
FROM scratch
LABEL version="${VERSION:-none}"
