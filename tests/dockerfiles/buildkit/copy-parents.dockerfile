FROM scratch
COPY --parents dir/one.txt /a/
COPY --parents ./dir/./two.txt /b/
COPY --parents=true **/*.txt /c/
