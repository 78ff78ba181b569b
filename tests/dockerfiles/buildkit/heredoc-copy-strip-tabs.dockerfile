FROM scratch
COPY <<-EOF /x
	one
		two
    three
	EOF
