FROM scratch
ENV name=val
ENV \
    A_B_0="#no : http://h.test/?q=1 \"{}\" \\ \$x"  
# A comment.
ARG name  
  	
  ENV \ 
  # Another \
  Key0="100% 100% !" \ 
# A comment.
	#
  name1="| |" \ 
# A comment.
	#
  key_2="b c""q r"${name} \ 
# A comment.
	#
  A_B_3="+1 \"+1\" \\ \$x" \ 
# A comment.
	#
  A_B_4=a\u$name
CMD \
# A comment.
    [ "&&"  ]

  CMD \ 
	#
	#
  [ "b2 b2 a,b", "a-b a-b x", "x 漢字", "a-b a-b c.d" ]	
  	
	ENV \	 
# A comment.
	org.x.0="<y>" 	 org.x.1="{} +1" 	 name2='(x) =='	