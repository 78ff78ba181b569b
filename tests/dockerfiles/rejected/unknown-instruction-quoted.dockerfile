FROM scratch
"RUN" true
