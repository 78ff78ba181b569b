# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
ADD --chmod=0644 <<-'EOF' /dir/
	EOFF
	\
		back\
FROM scratch
	EOF
LABEL n0=after
COPY <<'END_2' /dir/
EOFF
"open
END_2

LABEL n1=after
COPY --link <<-x <<END_2 \
  /dir/
	$name ${name:-d}
		x
# comment

END_2
LABEL n2=after
