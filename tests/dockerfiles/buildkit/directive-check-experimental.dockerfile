# check=experimental=all
FROM scratch
COPY --link app.txt /
