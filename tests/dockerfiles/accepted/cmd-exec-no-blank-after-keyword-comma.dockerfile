FROM scratch
CMD ["a","b","","d"]
