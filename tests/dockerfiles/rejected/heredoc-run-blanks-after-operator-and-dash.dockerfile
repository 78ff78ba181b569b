FROM castoff.test/busybox
RUN cat <<-  'EOF'  > /out
	text
	EOF
LABEL after=yes
