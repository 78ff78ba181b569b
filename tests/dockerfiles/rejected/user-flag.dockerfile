FROM scratch
USER --id=1 app
