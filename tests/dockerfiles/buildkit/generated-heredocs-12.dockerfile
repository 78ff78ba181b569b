FROM castoff.test/busybox
ARG name=n
ADD --link <<"one.txt" <<"END_2" <<EOF \
  /dir/
ünï 漢字
it's
	tab
one.txt
EOFF
$name ${name:-d}
END_2
# escape=`
# escape=`
[ "a" ]
back\
EOF
# Between.
LABEL n0=after
COPY --chmod=0644 <<-'x' <<END_2 <<-"one.txt" \
  /dir/
x

"open
FROM scratch
FROM scratch
END_2
it's
	one.txt
LABEL n1=after
ADD --link <<-'END_2' <<-"x" <<'EOF' \
  /dir/
ünï 漢字
		tab
$name ${name:-d}
	END_2
		x
# comment
\
# comment
# escape=`
<<INNER
EOF

LABEL n2=after
