FROM castoff.test/busybox
RUN <<-EOF
	if true; then
		echo yes
	fi
	EOF
