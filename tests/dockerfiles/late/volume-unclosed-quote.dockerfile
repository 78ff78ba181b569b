FROM scratch
VOLUME "/a
