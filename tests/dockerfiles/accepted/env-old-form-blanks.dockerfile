FROM scratch
ENV   name 	  value   with   many   	
