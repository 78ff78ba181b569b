FROM scratch
COPY --link app.txt /a
COPY --link=true app.txt /b
COPY --link=false app.txt /c
