ARG BASE=castoff.test/busybox
FROM ${BASE} AS build
WORKDIR /src
COPY . .
RUN mkdir /out && cat app.txt dir/*.txt > /out/all.txt

FROM build AS check
RUN test "$(wc -l < /out/all.txt)" = 3

FROM ${BASE}
COPY --from=build --chown=app /out/ /srv/
USER app
WORKDIR /srv
CMD ["cat", "all.txt"]
