FROM scratch
ENV name=val

LABEL  A_B_0="x (x) ==" \ 
# A comment.
# A comment.
    name1='http://h.test/?q=1' \ 
# A comment.
# A comment.
    name2='[z] [z] ?'
  HEALTHCHECK \
  # Another \
	CMD [";"  , "@ a,b a-b"  , "http://h.test/?q=1 !"  , "\u00fcber ="]
  ENV Key0="(x)" \
  # Another \
  # Another \
    name1=&& \
  # Another \
  # Another \
    k92=~	
ONBUILD \ 
  CMD ["a"]	
  	
EXPOSE 	 733	17915/udp	
  Label key_0=b2	
