FROM scratch
ENV name=val
# A comment.
stopsignal SIGUSR1	
LABEL \
	#
  # Another \
	org.x.0="x"  Key1='{} c.d ='  key_2='~'  name3=über  key_4="{} ~"  org.x.5="alpha \"|\" \\ \$x"
  LABEL \	 
  name0=/srv/app  A_B_1="; [z]"  k92='c.d @'  
	arg \	 
    name
	CMD \
  # Another \
	#
    [ "[z]",";","c.d * |","(x)" ]
# A comment.
ONBUILD \ 
  # Another \
# A comment.
    COPY . /x  
