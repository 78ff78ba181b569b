FROM	castoff.test/busybox
ENV	a=1	b=2
LABEL		x=y	
CMD	["true"]	
	
USER	app
