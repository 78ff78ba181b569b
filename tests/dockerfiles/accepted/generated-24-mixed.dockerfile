FROM scratch
ENV name=val
# A comment.
	Cmd \ 
    exec {} #no  

	ARG	name='v'
  	
LABEL key_0=;\ c.d\ | \ 
  # Another \
	name1=100%\ @\ ; \ 
  # Another \
	k92='@ <y>' \ 
  # Another \
	Key3='a,b #no =' \ 
  # Another \
	Key4=/srv/app \ 
  # Another \
	A_B_5=(x)	
Arg \ 
  # Another \
	name='v'
  	
ENV \	 
  # Another \
  k90="100% {} \"{}\" \\ \$x"  k91=@  k92="100%"
  env 	 Key0="(x) [z] ; \"漢字\" \\ \$x"  Key1='!'  Key2=a-b  A_B_3="b c"\u$name  org.x.4=a,b  
