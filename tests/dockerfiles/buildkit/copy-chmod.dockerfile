FROM scratch
COPY --chmod=755 app.txt /a
COPY --chmod=0644 app.txt /b
COPY --chmod=u=rwX,go=rX dir /c/
