FROM scratch
ARG version
LABEL version=$version
