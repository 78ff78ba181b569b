FROM scratch
ENV name=val
onbuild \ 
	COPY . /x	
  	
expose 	 58657/udp \	 
    60710 \	 
    1245/udp
# A comment.
ENV \	 
    Key0=漢字 \ 
	name1="alpha \"<y>\" \\ \$x" \ 
	org.x.2='=='
  	
	LABEL key_0="b2 \"^\" \\ \$x" \ 
  name1="@ {} &&" \ 
  name2='d $e'\u$name \ 
  A_B_3="über" \ 
  A_B_4==\ http://h.test/?q=1\ http://h.test/?q=1 \ 
  name5=/srv/app
# A comment.
ONBUILD \ 
  COPY . /x  
# A comment.
Healthcheck	--retries=3 \ 
  # Another \
	--start-period=500ms  CMD ["! +1",  "x \u00fcber"]
