FROM scratch
ARG skip=*.md
COPY --exclude=$skip --exclude=${skip}.bak . /a/
