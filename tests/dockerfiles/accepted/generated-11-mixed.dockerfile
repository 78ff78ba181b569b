FROM scratch
ENV name=val
  	
entrypoint \ 
# A comment.
  ["=" , "; {} http://h.test/?q=1"  ]  
  	
ENV \	 
  # Another \
	#
    Key0=a's'"${none:-e f}"  name1=a"q r"$name  org.x.2=^  org.x.3="100% \"==\" \\ \$x"  Key4="/srv/app"  
  	
  LABEL	name0="b c"\u"${none:-e f}"	name1='x'	org.x.2=": == |"	key_3=über	name4=;\ über\ ==	key_5="b2"
# A comment.
	label org.x.0="@ a,b [z] \"alpha\" \\ \$x"	
Env	k90="漢字" \ 
	#
# A comment.
	k91=a,b \ 
	#
# A comment.
	k92=a\u\$h
USER \
# A comment.
# A comment.
    ${u:-app}
