FROM castoff.test/busybox
ARG name=n
RUN cat <<-'x' <<-EOF <<-"END_2" > /out
		EOFF
  indented
	FROM scratch
		echo one
	x
	<<INNER
[ "a" ]
# comment
	 EOF
	EOF
  indented
back\
EO
	echo one
END_2
LABEL n0=after
COPY <<'one.txt' <<"EOF" <<"END_2" \
  /dir/
ünï 漢字
  indented
\
one.txt
[ "a" ]
EOF
# comment
back\
  indented
	tab
END_2
LABEL n1=after
RUN cat <<x <<-'one.txt' <<END_2 | sort
--flag
x
		\
		one.txt
[ "a" ]
--flag
it's
"open
	tab
END_2
LABEL n2=after
