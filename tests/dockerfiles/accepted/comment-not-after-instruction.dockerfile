FROM castoff.test/busybox
CMD echo a # this belongs to the command
ENV a=#value b=x#y
LABEL c="# no comment"
