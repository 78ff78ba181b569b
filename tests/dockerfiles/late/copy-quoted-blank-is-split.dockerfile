FROM scratch
COPY "with space.txt" /
