FROM scratch
COPY --from=docs-context / /docs/
