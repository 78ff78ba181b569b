FROM scratch
COPY --link=TRUE app.txt /a
COPY --link=False app.txt /b
