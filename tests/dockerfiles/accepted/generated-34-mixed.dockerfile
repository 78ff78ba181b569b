FROM scratch
ENV name=val
  cmd  [ "#no"  ,"="  ,"b2 a-b"  ,"a,b" ]  

LABEL  key_0=*
  	
  STOPSIGNAL \ 
# A comment.
# A comment.
    SIGUSR1
  	
LABEL	k90=b2\ ^\ b2 \
	key_1='!' \
	key_2='{}' \
	org.x.3=/srv/app\ über\ http://h.test/?q=1 \
	Key4=漢字  

LABEL  name0="(x)" \
	org.x.1=a-b
# A comment.
healthcheck --interval=5s  CMD [":"]
