# check=error=true
FROM scratch
COPY --link app.txt /
