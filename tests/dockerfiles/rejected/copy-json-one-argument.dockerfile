FROM scratch
COPY ["app.txt"]
