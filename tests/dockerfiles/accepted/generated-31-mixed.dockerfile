FROM scratch
ENV name=val
	Healthcheck  --interval=5s \
# A comment.
  # Another \
    --timeout=1m30s \
# A comment.
  # Another \
    --start-period=500ms CMD exec == [z]  
# A comment.
  arg \ 
  name=v
# A comment.
  EXPOSE \ 
# A comment.
    15911/tcp  5530/udp	
label \ 
  # Another \
  # Another \
	name0=@ \	 
# A comment.
	A_B_1="100%" \	 
# A comment.
	name2=@\ {}\ [z] \	 
# A comment.
	A_B_3="<y> {} #no \"^\" \\ \$x" \	 
# A comment.
	key_4=|\ +1

healthcheck  --retries=3 \
	#
	#
	--timeout=1m30s \
	#
	#
	--interval=5s  CMD ["a-b" ,  "~ 100%" ,  "! a-b 100%" ,  "{} {} <y>"]	
# A comment.
	LABEL A_B_0="b c"t"${none:-e f}" \
	A_B_1="&& &&" \
	k92="~" \
	name3='d $e''s'${name:+g} \
	org.x.4="@ ="  
