# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
ONBUILD RUN cat <<"x" <<-"EOF" <<-one.txt > /out
back\
 EOF
x
\
			tab
		echo one
ünï 漢字
	EOF
	EO
EO
	one.txt

LABEL n0=after
COPY --link <<"END_2" <<-"x" \
  /dir/
[ "a" ]
# comment
	tab
END_2
\
		<<INNER
		"open
--flag
		[ "a" ]
	x
LABEL n1=after
ADD --chmod=0644 <<one.txt <<x <<-EOF /dir/
[ "a" ]
$name ${name:-d}
one.txt
"open
$name ${name:-d}
x
	<<INNER
 EOF
		EOF

LABEL n2=after
