# escape=`
FROM scratch
ENV name=val
# A comment.
STOPSIGNAL `	 
	#
	#
  15  
ONBUILD `
# A comment.
	#
  RUN make
ENV ` 
# A comment.
  org.x.0=/srv/app `
	#
  name1="b c"t"${none:-e f}" `
	#
  name2=a`u"${none:-e f}"	
# A comment.
	Env `
	k90="{} ! alpha"  
  CMD `	 
  # Another `
    [ "@ über","<y> /srv/app","? /srv/app \u6f22\u5b57","! b2"  ]
# A comment.
	ONBUILD `
# A comment.
  COPY . /x
