FROM scratch
ENV name=val
# A comment.
	stopsignal	15
  	
	label \	 
# A comment.
# A comment.
    k90='c.d' \
  # Another \
# A comment.
    name1='~ && &&' \
  # Another \
# A comment.
    key_2={} \
  # Another \
# A comment.
    Key3=~ \
  # Another \
# A comment.
    name4="@"	
ENV  A_B_0="&&" \
  Key1=@ \
  Key2="b c"t"${none:-e f}"
	ENV 	 org.x.0='<y> {}' Key1="{} \"über\" \\ \$x" Key2=? key_3=": +1" k94='d $e'"q r"$name name5='#no'	

CMD  exec http://h.test/?q=1	
# A comment.
  ONBUILD	RUN make	
