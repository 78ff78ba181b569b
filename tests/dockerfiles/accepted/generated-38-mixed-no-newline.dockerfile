FROM scratch
ENV name=val
	USER app  

User \
# A comment.
	#
	app

	stopsignal	SIGINT	
# A comment.
ENV \
  # Another \
# A comment.
  Key0=100% \ 
  # Another \
	key_1=^\ #no \ 
  # Another \
	k92=a's'${name} \ 
  # Another \
	org.x.3="#no | c.d"	

  STOPSIGNAL \
    "SIGTERM"  
	onbuild \
	#
  # Another \
	COPY . /x