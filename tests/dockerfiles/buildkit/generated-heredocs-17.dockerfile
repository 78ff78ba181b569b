# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
ADD <<x /dir/
<<INNER
it's
EOFF
--flag
x
# Between.
LABEL n0=after
RUN cat <<-one.txt <<EOF | sort
 EOF
	tab
		one.txt
FROM scratch
EOF
LABEL n1=after
RUN cat <<-"x" | sort
	  indented
		$name ${name:-d}
	EOFF
	back\
		--flag
		x

LABEL n2=after
