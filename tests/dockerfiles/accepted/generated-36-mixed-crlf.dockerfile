FROM scratch
ENV name=val
# A comment.
Label name0='100% #no' \
	#
# A comment.
	org.x.1=':'
# A comment.
	cmd	[ "漢字" ,"+1 = ?"  ]	

LABEL Key0=|\ über
  Healthcheck --timeout=1m30s	CMD exec 漢字 | ~  
  	
ARG 	 name

	ENV org.x.0=|	
