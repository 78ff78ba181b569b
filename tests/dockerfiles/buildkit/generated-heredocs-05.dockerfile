# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
ONBUILD RUN cat <<'one.txt' <<'END_2'
echo one
	tab
  indented
--flag
\
one.txt
<<INNER
END_2
# Between.
LABEL n0=after
RUN cat <<'END_2' | sort
\
  indented
"open
\
back\
END_2
# Between.
LABEL n1=after
ONBUILD RUN cat <<-END_2 | sort
		  indented
		 EOF
echo one
		it's
EOFF
END_2
LABEL n2=after
