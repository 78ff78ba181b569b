FROM scratch
ENV name=val
# A comment.
  STOPSIGNAL "SIGTERM"
# A comment.
label \
  # Another \
	#
	key_0='d $e''s'"${none:-e f}"  key_1=': ? #no'  Key2=:
# A comment.
arg \ 
	#
# A comment.
  name="v w"  

ENV \	 
  # Another \
  # Another \
	k90=x\ a,b \
  # Another \
	key_1='~' \
  # Another \
	key_2="{} alpha /srv/app" \
  # Another \
	org.x.3=<y>
  label  key_0=at\$h	name1='d $e''s'${name}	k92=~	org.x.3=^\ b2\ ?	A_B_4=a,b	key_5="über \"http://h.test/?q=1\" \\ \$x"	

stopsignal  "SIGTERM"	
