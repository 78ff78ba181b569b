FROM scratch
CMD exec /server --port 80 "$@"
