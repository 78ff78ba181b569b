FROM scratch
CMD [""]
