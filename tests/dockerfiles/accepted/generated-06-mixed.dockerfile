FROM scratch
ENV name=val
# A comment.
	ENTRYPOINT \	 
  # Another \
    exec über @  

HEALTHCHECK	--interval=5s --timeout=1m30s CMD [ "c.d =="  ]

  ONBUILD \	 
  # Another \
	COPY . /x  
  	
onbuild \	 
  # Another \
    COPY . /x
  	
	ENTRYPOINT exec alpha b2
	Env \ 
	key_0="b c"\u${name:-d}  k91='d $e'"q r""${none:-e f}"	
