FROM scratch
ENV a=1 \
    b="two words" \
    # The third.
    c=3
