FROM scratch
ENV name=val
# A comment.
	label \ 
	key_0=a,b\ <y>\ ^ k91="http://h.test/?q=1 ! \"?\" \\ \$x" org.x.2=&& name3="b c"t"${none:-e f}" Key4="漢字 \"|\" \\ \$x" Key5='@'
	ARG name	

USER  ${u:-app}
# A comment.
  ENTRYPOINT \ 
  [  "; :"  , "&& @ b2"  , "\u6f22\u5b57 ? {}"  , "* a,b"]	
  	
  label  A_B_0="b c"t${name:+g} \
# A comment.
	key_1="! 漢字 \"|\" \\ \$x" \
# A comment.
	A_B_2="== ^" \
# A comment.
	org.x.3=#no \
# A comment.
	name4=b2\ x\ (x) \
# A comment.
	A_B_5=:  
  Onbuild \	 
  ENV a=b c="d e"