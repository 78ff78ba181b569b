FROM scratch
CMD ["\u00e4\u6f22", "\ud83d\ude00", "\u0041\u0009"]
