# escape=`
FROM scratch
ENV name=val
cmd ` 
    exec c.d  
Label `
  # Another `
# A comment.
    name0="== `"^`" `` `$x"	key_1=a's'`$h	A_B_2=<y>	name3="| 100%"  

ARG ` 
	name="v w"  
ENV `	 
	#
    k90=c.d` c.d org.x.1="b c""q r"${name:+g}  

ARG 	 name="v w"  
# A comment.
ENV 	 key_0='漢字' `	 
  # Another `
# A comment.
  org.x.1=&& `	 
  # Another `
# A comment.
  name2=&&
