FROM scratch
COPY --from= a
