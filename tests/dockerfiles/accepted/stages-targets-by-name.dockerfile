FROM castoff.test/busybox AS deps
WORKDIR /deps
COPY app.txt .

FROM deps AS test
CMD ["cat", "/deps/app.txt"]

FROM scratch AS release
COPY --from=deps /deps/app.txt /app.txt
ENTRYPOINT ["/app.txt"]
