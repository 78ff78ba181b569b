FROM scratch
ADD --extract app.txt /
