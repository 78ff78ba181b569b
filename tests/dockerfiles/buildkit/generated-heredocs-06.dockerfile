FROM castoff.test/busybox
ARG name=n
ONBUILD RUN cat <<END_2 <<-"one.txt" > /out
echo one
END_2
		one.txt
# Between.
LABEL n0=after
ADD --chmod=0644 <<-"EOF" <<-"END_2" <<-"one.txt" /dir/
<<INNER
	EOF

	it's
	EOFF
	# escape=`
ünï 漢字
		END_2
"open
	[ "a" ]
		# comment
		$name ${name:-d}
FROM scratch
	one.txt

LABEL n1=after
ADD --link <<one.txt <<-END_2 <<"x" /dir/
\
FROM scratch
one.txt
	[ "a" ]
	tab
	EO
		[ "a" ]
		EOFF
		END_2
EOFF
\
$name ${name:-d}
x
LABEL n2=after
