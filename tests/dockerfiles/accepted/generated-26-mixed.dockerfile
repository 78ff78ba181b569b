FROM scratch
ENV name=val
Env \
	#
# A comment.
	A_B_0=: \ 
# A comment.
    name1='a,b c.d +1' \ 
# A comment.
    org.x.2="b c""q r"$name
  	
  HEALTHCHECK \ 
# A comment.
	#
    --timeout=1m30s --retries=3 \	 
# A comment.
# A comment.
	CMD exec (x)  
Stopsignal \ 
	#
	15

ENV \
  Key0="b c"\u${name:+g} name1=~\ c.d  
	ENTRYPOINT \	 
  # Another \
  exec über <y> [z]

  expose 	 57793
