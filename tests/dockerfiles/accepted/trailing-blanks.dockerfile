FROM castoff.test/busybox   
WORKDIR /a   
USER app 	 
ENV a=1   	
STOPSIGNAL SIGINT  
CMD echo x   
