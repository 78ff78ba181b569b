FROM castoff.test/busybox
RUN <<-"EOF"
	echo "$HOME"
	EOF
