# A comment.
# Another.
