FROM castoff.test/busybox
ARG name=n
ONBUILD RUN cat <<'END_2' <<-"x" <<-one.txt
--flag
ünï 漢字
\
 EOF
# comment
END_2
	[ "a" ]
	  indented
	<<INNER
	[ "a" ]
x
one.txt

LABEL n0=after
COPY <<'x' <<-'EOF' <<-'END_2' \
  /dir/
"open

<<INNER
x
	EOF
	tab
	END_2
LABEL n1=after
RUN cat <<-'EOF' <<-"one.txt" <<"END_2" | sort
		# escape=`
\
EOF
ünï 漢字
		# escape=`
	--flag

	--flag
	one.txt
# escape=`
END_2
# Between.
LABEL n2=after
