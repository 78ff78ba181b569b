FROM scratch
CMD ["/server", "--port", "80"]
