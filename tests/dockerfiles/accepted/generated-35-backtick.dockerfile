# escape=`
FROM scratch
ENV name=val
env `
	key_0=a-b  name1='| ? /srv/app'  k92=*
user ` 
	#
	app

LABEL 	 Key0=": über <y> `"^`" `` `$x"  org.x.1=http://h.test/?q=1` ?` #no  A_B_2=(x)` alpha  A_B_3="? alpha ^"  k94=a's'${name:+g}
# A comment.
env ` 
	#
  Key0="b c""q r"${name:+g}

  ENV `
	key_0="http://h.test/?q=1 漢字 !" 	 Key1==  

  LABEL 	 key_0='= ^ <y>'
