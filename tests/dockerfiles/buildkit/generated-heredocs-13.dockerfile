# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
RUN cat <<'x'
"open
# comment
it's
"open
RUN x
x
# Between.
LABEL n0=after
ADD <<-"one.txt" <<-"x" <<END_2 \
  /dir/
		--flag
		EOFF
	 EOF
		back\
		one.txt
"open
	tab
		"open
	x
# escape=`
EO
it's
END_2
LABEL n1=after
COPY <<-'x' /dir/
x
# Between.
LABEL n2=after
