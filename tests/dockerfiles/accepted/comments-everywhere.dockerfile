# At the beginning.
FROM castoff.test/busybox
# Between.
    # With blanks in front.
#No blank after.
#
##### Many #####
ENV a=1
# FROM nothing
LABEL b=2
# At the end.
