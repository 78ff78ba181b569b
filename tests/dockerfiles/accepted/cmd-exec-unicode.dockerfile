FROM scratch
CMD ["grüße", "漢字", "😀"]
