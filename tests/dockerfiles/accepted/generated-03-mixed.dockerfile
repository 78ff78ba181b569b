FROM scratch
ENV name=val
  	
	Label	k90="/srv/app \"/srv/app\" \\ \$x" \
	#
	#
  name1=@ \
	#
	#
  org.x.2=a's'${name:-d} \
	#
	#
  k93='d $e't$name \
	#
	#
  org.x.4="* | ^ \"100%\" \\ \$x" \
	#
	#
  A_B_5=über	
ARG \
  # Another \
# A comment.
	name
ENV 	 name0=c.d 	 Key1=a"q r"$name 	 Key2=/srv/app
	LABEL \ 
	name0="漢字 b2 \"x\" \\ \$x" 	 key_1="~ <y> b2 \"!\" \\ \$x" 	 k92='? = b2' 	 name3='= <y> x' 	 k94="a,b über a,b"  
LABEL \ 
	#
	Key0=at${name} 	 name1=+1\ http://h.test/?q=1\ x 	 A_B_2='d $e't${name:+g} 	 key_3=[z]\ |\ ^ 	 name4="b c"t${name} 	 k95=~
expose	62406/udp \ 
# A comment.
  28546 \ 
# A comment.
  43782/tcp
