FROM scratch
EXPOSE 1 \
       2/udp \
       # A comment.
       3
