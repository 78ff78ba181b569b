# escape=`
FROM scratch
ENV name=val
	ONBUILD `	 
	COPY . /x  
# A comment.
STOPSIGNAL 	 SIGINT	
	CMD ` 
	#
# A comment.
  exec [z] x über  

LABEL  Key0=/srv/app 	 org.x.1=| 	 A_B_2="* `"<y>`" `` `$x"
Healthcheck `	 
# A comment.
  --start-period=500ms	--retries=3 `
	#
  # Another `
  CMD exec b2 a-b ^  

	CMD	[  "[z]"  ]	
