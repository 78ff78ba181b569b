# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
ADD --link <<x <<-one.txt \
  /dir/
EOFF
EOFF
x
 EOF
RUN x
		one.txt
LABEL n0=after
ADD <<-one.txt <<'END_2' /dir/
# escape=`
	--flag
		tab
		# comment
		<<INNER
one.txt
back\

	tab
ünï 漢字
END_2
LABEL n1=after
ONBUILD RUN cat <<one.txt <<x <<'EOF' > /out
back\
<<INNER
"open
back\
one.txt
RUN x
back\
EO
# escape=`
x
<<INNER
--flag
EOF

LABEL n2=after
