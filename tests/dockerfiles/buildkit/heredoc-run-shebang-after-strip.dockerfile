FROM castoff.test/busybox
RUN <<-EOF
	#!/bin/sh -e
	echo x
EOF
