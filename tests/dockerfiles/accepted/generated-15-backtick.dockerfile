# escape=`
FROM scratch
ENV name=val
  	
LABEL 	 k90='<y> @ &&' `	 
	#
# A comment.
	name1=== `	 
	#
# A comment.
	Key2="漢字 /srv/app ; `"+1`" `` `$x" `	 
	#
# A comment.
	Key3='~ ; [z]' `	 
	#
# A comment.
	org.x.4="/srv/app"

	USER `	 
# A comment.
  1000:1000
  	
CMD  exec x
# A comment.
	ENV name0="b c""q r""${none:-e f}" ` 
# A comment.
	#
    org.x.1="b2 a,b" ` 
# A comment.
	#
    Key2=[z] ` 
# A comment.
	#
    k93=! ` 
# A comment.
	#
    key_4=? ` 
# A comment.
	#
    key_5="a-b `"?`" `` `$x"  
healthcheck `
	--timeout=1m30s ` 
    --interval=5s 	 CMD exec 漢字 b2
# A comment.
Label ` 
  org.x.0=a`u${name} `
	#
	#
  key_1="* c.d" `
	#
	#
  key_2=* `
	#
	#
  k93=&&
