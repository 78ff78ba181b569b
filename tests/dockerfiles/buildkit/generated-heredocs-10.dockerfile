# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
ONBUILD RUN cat <<-"END_2" <<-'x' <<EOF | sort
	  indented
	
		echo one
END_2
	RUN x
		x
[ "a" ]
 EOF

EO
  indented
EOF
# Between.
LABEL n0=after
ADD --link <<'EOF' <<"x" \
  /dir/
 EOF
EO
EOF
x
LABEL n1=after
RUN cat <<-'END_2' <<"EOF" | sort
		# comment
[ "a" ]
	END_2
[ "a" ]
# escape=`
[ "a" ]
FROM scratch
RUN x
EOF

LABEL n2=after
