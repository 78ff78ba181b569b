FROM scratch
ENTRYPOINT ["/server"]
CMD ["--help"]
