FROM   	castoff.test/busybox  	 AS	base   
LABEL blanks=many
