FROM scratch
COPY ["app.txt", 1]
