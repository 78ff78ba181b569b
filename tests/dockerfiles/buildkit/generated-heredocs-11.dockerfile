# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
ONBUILD RUN cat <<"END_2" <<x <<-"EOF" > /out
EO
<<INNER
<<INNER
END_2
	tab
x
		 EOF
# escape=`
EOF
LABEL n0=after
RUN cat <<-EOF <<-"x" <<'END_2' | sort
	ünï 漢字
		--flag
	# comment
back\
		# comment
	EOF
			tab
	EO
		 EOF
	--flag
# escape=`
x
 EOF
[ "a" ]
$name ${name:-d}
"open
it's
END_2

LABEL n1=after
ADD --link <<-'END_2' /dir/
END_2

LABEL n2=after
