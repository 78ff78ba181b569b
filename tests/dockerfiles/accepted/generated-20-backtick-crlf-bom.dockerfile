# escape=`
FROM scratch
ENV name=val
  label 	 key_0='http://h.test/?q=1' `	 
# A comment.
  # Another `
	name1="b c"`u$name `	 
# A comment.
  # Another `
	Key2=#no` && `	 
# A comment.
  # Another `
	A_B_3==
# A comment.
Expose `	 
  # Another `
	58013 	 6683/udp 	 19127	
# A comment.
STOPSIGNAL  "SIGTERM"

	LABEL  key_0=漢字 name1=b2` x` +1 org.x.2='d $e'`u$name name3=<y>` ==` http://h.test/?q=1 key_4='| : 漢字'	
	ARG	name="v w"	
Label ` 
  # Another `
	#
	k90="="
