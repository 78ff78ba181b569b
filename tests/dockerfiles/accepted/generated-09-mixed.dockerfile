FROM scratch
ENV name=val
  	
	label key_0=at${name:-d} Key1=! name2="?" name3="{} über" name4="{}"
CMD \ 
# A comment.
	["<y> : ==", "{} <y> [z]", "; /srv/app &&" ]  
# A comment.
	CMD exec über über !	

Env  key_0=a's'${name} \ 
  # Another \
# A comment.
    key_1="x alpha" \ 
  # Another \
# A comment.
    key_2='d $e''s'$name \ 
  # Another \
# A comment.
    k93=a's'${name:-d} \ 
  # Another \
# A comment.
    k94='d $e't$name  

Cmd \	 
	[  "| a-b ;" ,  "http://h.test/?q=1" ,  "http://h.test/?q=1 && ==" ,  "{}"]
ENV \ 
	Key0="~ http://h.test/?q=1"	
