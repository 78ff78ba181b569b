FROM scratch
ENTRYPOINT exec /server $OPTIONS
