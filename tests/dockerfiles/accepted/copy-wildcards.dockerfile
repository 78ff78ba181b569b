FROM castoff.test/busybox
COPY *.txt /a/
COPY dir/*.txt /b/
COPY dir/o?e.txt /c/
COPY dir/[ot]*.txt /d/
COPY app.t[a-z]t /e/
