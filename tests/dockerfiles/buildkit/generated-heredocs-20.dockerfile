# syntax=docker/dockerfile:1
FROM castoff.test/busybox
ARG name=n
ONBUILD RUN cat <<"one.txt" <<-END_2 | sort
one.txt
		# comment
	 EOF
# escape=`
		$name ${name:-d}
END_2
# Between.
LABEL n0=after
RUN cat <<-"END_2" > /out
END_2
# Between.
LABEL n1=after
COPY <<-'one.txt' \
  /dir/
		# comment
		back\
		back\
one.txt
LABEL n2=after
