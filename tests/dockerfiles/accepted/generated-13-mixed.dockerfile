FROM scratch
ENV name=val

ENV A_B_0="<y> alpha" \ 
  # Another \
	#
    k91=&&
# A comment.
	STOPSIGNAL  "SIGTERM"
# A comment.
  label name0="a-b {} [z]" Key1="[z]" Key2='d $e''s'${name:+g} org.x.3="= ~ ! \";\" \\ \$x" org.x.4=über\ {}\ #no

Stopsignal  15
stopsignal	SIGUSR1  
  	
USER \
    "app:app"  
