FROM scratch
COPY ../x /
