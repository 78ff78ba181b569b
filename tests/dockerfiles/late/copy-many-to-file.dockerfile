FROM scratch
COPY app.txt dir/one.txt /file
