FROM scratch
ENV name=val
	EXPOSE 	 28346  
# A comment.
  ONBUILD \ 
  CMD ["a"]	
ONBUILD COPY . /x  
  	
STOPSIGNAL \ 
	#
	SIGINT
USER \
	app
  	
  EXPOSE \	 
  # Another \
  # Another \
	9570/udp  63676  
