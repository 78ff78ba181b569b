FROM scratch
ADD app.txt
