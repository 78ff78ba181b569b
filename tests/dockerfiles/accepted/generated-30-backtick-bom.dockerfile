# escape=`
FROM scratch
ENV name=val
  	
  STOPSIGNAL `
	#
	#
    "SIGTERM"  
# A comment.
  onbuild	COPY . /x	
  	
	LABEL `	 
	key_0=+1 A_B_1=~ Key2=+1 Key3='d $e't${name:+g} key_4="漢字" org.x.5='http://h.test/?q=1'  
ENV	name0="b2 漢字 a,b `"100%`" `` `$x"
  	
  env ` 
  Key0=b2` ~` http://h.test/?q=1 ` 
# A comment.
	#
	name1="b2 +1 b2" ` 
# A comment.
	#
	name2=c.d` 漢字 ` 
# A comment.
	#
	A_B_3=<y>  
  	
  LABEL	k90=^` über  key_1="b c"t${name:-d}
