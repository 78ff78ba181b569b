FROM scratch AS one
LABEL a=1
FROM scratch
COPY --from=on\'e a /
