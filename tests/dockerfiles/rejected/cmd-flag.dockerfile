FROM scratch
CMD --x true
