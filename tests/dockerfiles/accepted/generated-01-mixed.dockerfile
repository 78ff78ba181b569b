FROM scratch
ENV name=val
# A comment.
ARG 	 name=v	
User \	 
# A comment.
    1000:1000
# A comment.
ENV \
	#
    k90=a's'\$h \	 
  A_B_1=http://h.test/?q=1 \	 
  Key2='alpha' \	 
  key_3=a,b \	 
  key_4='[z] [z] !'
  ARG  name="v w"	
  ARG \ 
  # Another \
  # Another \
	name
	USER  1000:1000
