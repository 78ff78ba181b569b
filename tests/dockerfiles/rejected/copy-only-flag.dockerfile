FROM scratch
COPY --from=0
