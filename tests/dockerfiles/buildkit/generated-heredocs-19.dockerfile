# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
RUN cat <<END_2 > /out
	tab
END_2
LABEL n0=after
COPY --chmod=0644 <<-'EOF' <<one.txt /dir/
		EOF
# comment
\
EOFF
echo one
<<INNER
one.txt

LABEL n1=after
COPY --link <<"END_2" <<'x' \
  /dir/
RUN x
EO
END_2
x
# Between.
LABEL n2=after
