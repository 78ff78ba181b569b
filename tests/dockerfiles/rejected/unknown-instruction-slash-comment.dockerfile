// A comment.
FROM scratch
