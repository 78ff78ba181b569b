FROM scratch
MAINTAINER "Jane 'J' Doe"  $HOME \x
