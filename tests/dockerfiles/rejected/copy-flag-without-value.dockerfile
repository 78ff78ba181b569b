FROM scratch
COPY --from app.txt /
