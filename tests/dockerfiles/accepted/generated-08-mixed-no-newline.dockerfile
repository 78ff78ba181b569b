FROM scratch
ENV name=val
LABEL  org.x.0='+1 ^ b2' \
# A comment.
	#
  name1=/srv/app \
# A comment.
	#
  A_B_2=über \
# A comment.
	#
  A_B_3=at\$h	

  LABEL	name0="über | \"(x)\" \\ \$x"  
# A comment.
  onbuild \ 
# A comment.
  ENV a=b c="d e"	
# A comment.
HEALTHCHECK \ 
  CMD exec http://h.test/?q=1 * ^	
  onbuild RUN make

label \
  # Another \
	name0='@ = c.d' \ 
    name1="http://h.test/?q=1 | \"==\" \\ \$x" \ 
    key_2='; && :' \ 
    Key3="alpha [z]" \ 
    A_B_4="über *"	