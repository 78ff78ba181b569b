# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
ONBUILD RUN cat <<-'EOF' > /out
	<<INNER
	ünï 漢字
		 EOF
		back\
	it's
	EOF

LABEL n0=after
COPY --chmod=0644 <<-'EOF' <<-x <<-"END_2" /dir/
	EOF
<<INNER
	ünï 漢字
	 EOF
it's
		RUN x
	x
	--flag
	\
RUN x
RUN x
	echo one
END_2

LABEL n1=after
RUN cat <<-one.txt <<-'x' <<-"END_2" | sort

one.txt

		FROM scratch
	x
		<<INNER
--flag
	RUN x
		"open
		RUN x
END_2

LABEL n2=after
