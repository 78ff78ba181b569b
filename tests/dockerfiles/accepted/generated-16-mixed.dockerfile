FROM scratch
ENV name=val
  CMD \ 
	#
    exec ? +1
  	
ONBUILD \ 
  # Another \
	#
    RUN make

LABEL \	 
  org.x.0=@\ http://h.test/?q=1\ ~ 	 org.x.1="漢字 über" 	 name2="+1 ; alpha"	
# A comment.
Env  name0=(x) 	 k91=#no\ ^\ ~
  	
	ENTRYPOINT 	 [  "~" ]
Env	Key0="b2 a,b +1"	Key1='d $e't"${none:-e f}"	k92=http://h.test/?q=1	Key3=@	key_4='! * ?'	k95=^
