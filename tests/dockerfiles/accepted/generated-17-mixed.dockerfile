FROM scratch
ENV name=val

	ENTRYPOINT \
	#
	#
  [ "|" , "@ ;" , "@" , "@" ]  

EXPOSE 38078/tcp \
  22647/tcp

  LABEL \
    key_0="x +1 \"x\" \\ \$x" \	 
  key_1=;\ |	
Onbuild \
	#
  # Another \
  CMD ["a"]
	user 	 ${u:-app}	
# A comment.
  user \ 
  # Another \
    1000
