FROM scratch
COPY --owner=app app.txt /
