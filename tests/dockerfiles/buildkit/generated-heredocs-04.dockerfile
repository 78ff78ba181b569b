# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
RUN cat <<'one.txt' <<-"END_2" <<'x' > /out
one.txt
END_2

echo one
# comment

x
LABEL n0=after
ADD <<'x' <<-'END_2' /dir/
  indented
# comment
RUN x
x
it's

		EOFF
$name ${name:-d}
	END_2
LABEL n1=after
RUN cat <<-"EOF" <<-END_2 <<'x'
# comment
	
EOF
 EOF
		 EOF
	END_2
	tab
<<INNER
ünï 漢字
 EOF
--flag
x
LABEL n2=after
