FROM scratch
COPY ['app.txt', '/x/']
