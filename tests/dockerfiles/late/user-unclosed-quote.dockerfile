FROM scratch
USER 'a
