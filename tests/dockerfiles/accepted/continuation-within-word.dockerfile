FROM castoff.test/busybox
ENV long=abc\
def\
ghi
LAB\
EL split=keyword
