FROM scratch
CMD ["[", "-f", "/x", "]"]
