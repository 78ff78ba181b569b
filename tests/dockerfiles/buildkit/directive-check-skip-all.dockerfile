# check=skip=all
FROM scratch
COPY --link app.txt /
