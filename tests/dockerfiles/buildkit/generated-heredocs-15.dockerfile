FROM castoff.test/busybox
ARG name=n
ONBUILD RUN cat <<-'one.txt' <<-"END_2" <<-EOF > /out
 EOF
	\
	
one.txt
	EO
	END_2
			tab
ünï 漢字
		ünï 漢字
			tab
		EOF
# Between.
LABEL n0=after
ONBUILD RUN cat <<"x" <<-EOF <<END_2
EO
x
--flag
	\
		# comment
	$name ${name:-d}
	tab
EOF
 EOF
RUN x
EOFF
END_2

LABEL n1=after
ADD --link <<-'END_2' /dir/
		END_2
# Between.
LABEL n2=after
