FROM castoff.test/busybox
ADD *.txt d?r/*.txt /x/
