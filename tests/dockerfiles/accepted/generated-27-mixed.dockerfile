FROM scratch
ENV name=val
	LABEL  org.x.0='d $e'"q r"$name \ 
	#
    k91="b c"t${name:+g} \ 
	#
    Key2="b c"t$name
  	
	LABEL 	 k90='(x)'  A_B_1='~ http://h.test/?q=1'
# A comment.
Cmd 	 [ "x {}"  ,"* ="  ,"\u00fcber #no \u6f22\u5b57"  ]
  EXPOSE \
# A comment.
	19066/udp
  	
HEALTHCHECK \
# A comment.
	--timeout=1m30s \
	CMD [ "&& b2 100%" , "+1 {}" ]
# A comment.
	Label org.x.0="? {} \"@\" \\ \$x"	k91=(x)
