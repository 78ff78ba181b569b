FROM scratch
ENV name=val
# A comment.
	ONBUILD  CMD ["a"]  
  	
	Onbuild ENV a=b c="d e"
ENV	org.x.0=;  Key1='d $e't$name  key_2=;\ [z]\ über
# A comment.
LABEL \	 
	k90="b2 | [z]"	name1='über'
# A comment.
ENV \ 
	#
  k90=漢字  org.x.1='{}'
# A comment.
USER \
	#
  app
