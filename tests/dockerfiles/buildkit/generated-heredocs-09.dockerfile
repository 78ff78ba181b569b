# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
COPY --link <<-EOF <<-x /dir/
		EOF
	x
# Between.
LABEL n0=after
RUN cat <<-x <<'EOF'
		--flag
# escape=`
		<<INNER
	FROM scratch
		ünï 漢字
	x
EOF

LABEL n1=after
RUN cat <<END_2 | sort
RUN x
back\
\
END_2
# Between.
LABEL n2=after
