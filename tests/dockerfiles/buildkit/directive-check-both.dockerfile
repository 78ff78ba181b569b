# check=skip=JSONArgsRecommended;error=true
FROM scratch
COPY --link app.txt /
