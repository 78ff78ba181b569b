# escape=`
FROM scratch
ENV name=val
user  "app:app"
Env key_0=": #no `"*`" `` `$x" `	 
    name1="b c""q r"${name:-d} `	 
    k92=/srv/app `	 
    key_3='d $e'"q r"${name:-d} `	 
    name4="? x"
LABEL	key_0='~' 	 name1="~ `"c.d`" `` `$x" 	 key_2="b c"t${name:-d} 	 A_B_3=a`u${name} 	 A_B_4="= && ^"  

	arg `
# A comment.
  # Another `
  name="v w"	
  	
ARG `	 
# A comment.
  # Another `
  name='v'	

  STOPSIGNAL 	 "SIGTERM"
