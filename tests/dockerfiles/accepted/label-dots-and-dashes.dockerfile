FROM scratch
LABEL org.opencontainers.image.title=x com.example/a-b_c=y multi.label="a" other="b"
