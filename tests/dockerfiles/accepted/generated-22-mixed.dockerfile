FROM scratch
ENV name=val
  	
Expose 	 53187/tcp  
	ONBUILD \
	#
  RUN make	

	Env \ 
  # Another \
	org.x.0="b2 \";\" \\ \$x" \
  key_1='= c.d' \
  Key2='d $e'\u"${none:-e f}" \
  name3=!\ x	
  	
  user 1000:1000	
USER \ 
  app  
  	
	EXPOSE 	 41587/udp
