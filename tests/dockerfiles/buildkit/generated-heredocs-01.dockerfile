FROM castoff.test/busybox
ARG name=n
ONBUILD RUN cat <<-EOF <<-'one.txt' | sort
	EOFF
$name ${name:-d}
		# escape=`
		RUN x
EOF
	EO
		it's
	# escape=`
<<INNER
		one.txt
LABEL n0=after
COPY --link <<END_2 <<-"x" <<'one.txt' \
  /dir/
END_2
x
 EOF
FROM scratch
EOFF
 EOF
one.txt
# Between.
LABEL n1=after
COPY <<EOF \
  /dir/
ünï 漢字
FROM scratch
back\
EOF
LABEL n2=after
