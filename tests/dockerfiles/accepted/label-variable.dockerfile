FROM scratch
ARG version=1.2
LABEL version=$version "full-${version}"="v${version}" raw='$version'
