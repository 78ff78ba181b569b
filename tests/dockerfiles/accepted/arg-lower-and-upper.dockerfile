FROM scratch
ARG name=lower NAME=upper
LABEL both=$name-$NAME
