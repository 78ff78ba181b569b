FROM scratch
ENV name=val

  ENV 	 name0=100%\ =\ #no \	 
	#
	A_B_1=über\ {}\ c.d
# A comment.
  cmd \
# A comment.
	#
	exec *

	LABEL \
	#
    Key0='a-b über'  org.x.1="b c"\u$name  Key2="漢字 漢字"  Key3='b2'

  Expose 15114  
ENV \	 
  # Another \
	name0=*	name1='d $e'"q r"${name:+g}	Key2='?'	name3="@ ! <y> \"~\" \\ \$x"
LABEL \ 
# A comment.
  # Another \
    Key0=漢字 	 A_B_1='<y>' 	 Key2={} 	 org.x.3='über über'	
