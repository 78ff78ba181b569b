FROM scratch
ENV name=val
# A comment.
  LABEL \ 
  # Another \
  # Another \
  name0='@ +1' \
	#
	org.x.1='d $e'"q r"\$h \
	#
	Key2='d $e'"q r"${name:-d} \
	#
	Key3='d $e'"q r"${name} \
	#
	k94='!'
# A comment.
LABEL	k90="漢字 == 漢字" \ 
  org.x.1='d $e't${name} \ 
  name2=?  
# A comment.
  ENV \ 
# A comment.
  org.x.0='/srv/app x |' 	 k91=*\ ~\ ?	
  	
entrypoint \ 
  ["(x)" ,  "&& ! *"  ]  
# A comment.
	ONBUILD	ENV a=b c="d e"  
  	
  env \
# A comment.
  name0='über && ~' \
	key_1=':' \
	name2=^\ ~ \
	Key3=* \
	k94='#no'
