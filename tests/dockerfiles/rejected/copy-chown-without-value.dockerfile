FROM scratch
COPY --chown app.txt /
