# A file with one of each.
ARG TAG=latest
FROM --platform=linux/amd64 castoff.test/busybox:${TAG} AS one
MAINTAINER someone
ARG VERSION=1.0
LABEL version="${VERSION}"
ENV APP=/app MODE=test
WORKDIR ${APP}
COPY --chown=app:app app.txt dir/ ./
ADD app.txt /added/
RUN test -f app.txt
SHELL ["/bin/sh", "-eu", "-c"]
EXPOSE 80/tcp
VOLUME ["/data"]
USER app:app
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --retries=3 CMD test -f /app/app.txt
ONBUILD RUN true
ENTRYPOINT ["cat"]
CMD ["app.txt"]
