FROM castoff.test/busybox
ARG file=app.txt
ENV target=/out
COPY $file ${target}/
COPY dir/${nothing:-one.txt} $target/$file.copy
