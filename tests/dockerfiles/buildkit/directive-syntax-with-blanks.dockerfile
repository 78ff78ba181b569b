#  	Syntax  =  docker/dockerfile:1-labs   
FROM scratch
COPY --link app.txt /
