# check=skip=JSONArgsRecommended,StageNameCasing
FROM scratch
CMD x
COPY --link app.txt /
