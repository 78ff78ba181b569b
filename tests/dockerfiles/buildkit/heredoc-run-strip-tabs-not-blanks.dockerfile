FROM castoff.test/busybox
RUN <<-EOF
    echo four
	    EOF
    EOF
EOF
