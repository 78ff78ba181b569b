# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
COPY --chmod=0644 <<'EOF' <<'x' <<-"END_2" \
  /dir/

EOF
<<INNER
EOFF
	tab
[ "a" ]
FROM scratch
x
echo one
back\
	EO
	END_2
# Between.
LABEL n0=after
COPY --link <<'EOF' <<-'one.txt' /dir/
<<INNER
EOF
	one.txt

LABEL n1=after
RUN cat <<EOF | sort
 EOF
EOF
# Between.
LABEL n2=after
