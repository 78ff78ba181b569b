FROM scratch
ENV name=val
# A comment.
	HEALTHCHECK --start-period=500ms \
	CMD [ "{} http://h.test/?q=1 ;" ,  "@" ]

arg 	 name=v
  EXPOSE \	 
	#
  11760 \	 
  # Another \
# A comment.
	23958/udp \	 
  # Another \
# A comment.
	64088/tcp	
  	
  LABEL  A_B_0=a,b
	EXPOSE \ 
# A comment.
	#
	55083/udp
	LABEL \ 
# A comment.
  Key0='d $e't$name \	 
  # Another \
  org.x.1='<y> alpha' \	 
  # Another \
  key_2=a-b	
