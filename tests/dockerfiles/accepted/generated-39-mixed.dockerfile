FROM scratch
ENV name=val
Label	name0=^ \
	#
	key_1='='
# A comment.
	LABEL \ 
  Key0="* [z]" \ 
  key_1=über \ 
  name2='100% !' \ 
  A_B_3='?' \ 
  key_4="* \"alpha\" \\ \$x" \ 
  key_5=|\ 100%\ b2
	Env \	 
  # Another \
    name0=100%	

EXPOSE 	 63969/tcp  44461/tcp
# A comment.
	onbuild  CMD ["a"]  
# A comment.
  ONBUILD \ 
  # Another \
	#
    RUN make
