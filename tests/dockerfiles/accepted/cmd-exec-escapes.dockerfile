FROM scratch
CMD ["a\"b", "c\\d", "tab\there", "line\nbreak", "slash\/", "\b\f\r"]
