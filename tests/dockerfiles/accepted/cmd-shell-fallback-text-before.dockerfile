FROM scratch
CMD exec ["a", "b"]
