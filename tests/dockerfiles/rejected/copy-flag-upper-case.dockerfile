FROM scratch
COPY --CHOWN=1 app.txt /
