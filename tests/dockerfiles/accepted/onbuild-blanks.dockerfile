FROM castoff.test/busybox
ONBUILD  	  RUN   a  b
