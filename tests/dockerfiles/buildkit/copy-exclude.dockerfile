FROM scratch
COPY --exclude=*.txt . /a/
COPY --exclude=dir/one.txt --exclude=**/two.txt . /b/
