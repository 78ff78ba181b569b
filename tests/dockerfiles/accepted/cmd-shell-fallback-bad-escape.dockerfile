FROM scratch
CMD ["\d+", "a"]
