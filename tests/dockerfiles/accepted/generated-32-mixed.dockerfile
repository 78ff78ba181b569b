FROM scratch
ENV name=val
  	
ENV \
	#
	Key0== \ 
  # Another \
  Key1="#no * @" \ 
  # Another \
  name2="= [z] [z] \"c.d\" \\ \$x" \ 
  # Another \
  A_B_3=^  
	ENV 	 key_0="{} && {}" \ 
	name1=/srv/app \ 
	key_2==\ ! \ 
	Key3='#no 100% über' \ 
	Key4="&& ? @" \ 
	key_5='d $e'\u"${none:-e f}"
  	
Label \	 
  # Another \
	A_B_0="~" \ 
  key_1="?" \ 
  k92="http://h.test/?q=1" \ 
  A_B_3='#no =' \ 
  Key4='@ == {}' \ 
  name5=~
  stopsignal \	 
# A comment.
# A comment.
  "SIGTERM"  
  	
	ENV \
	#
# A comment.
  A_B_0=+1\ [z] \ 
  # Another \
  name1="~ {} ? \"+1\" \\ \$x" \ 
  # Another \
  key_2="(x) ~ \"(x)\" \\ \$x" \ 
  # Another \
  A_B_3=&&\ |\ 漢字 \ 
  # Another \
  name4='(x) 漢字 b2' \ 
  # Another \
  k95="/srv/app"
# A comment.
Label 	 key_0='? b2'	key_1="100% {}"	Key2="b c"t\$h
