FROM scratch
ENV name=val
CMD \
# A comment.
    [ "; http://h.test/?q=1 +1"  ,"b2 |"  ,"? && a-b"  ,"\u00fcber x \u6f22\u5b57"  ]	
	Arg	name
  LABEL \
  # Another \
# A comment.
  Key0=a's'${name:+g} \	 
    key_1=[z]\ alpha\ a-b \	 
    key_2='{}' \	 
    A_B_3='über'
  	
STOPSIGNAL	15  
  	
Healthcheck \ 
  --interval=5s \
  # Another \
	#
    --timeout=1m30s \
  # Another \
	#
    --retries=3 \
  # Another \
	#
    --start-period=500ms \
# A comment.
    CMD [  "a-b +1 b2" , "^ <y> !" ]
STOPSIGNAL \ 
    "SIGTERM"	
