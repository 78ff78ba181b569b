FROM castoff.test/busybox
RUN cat <<ONE - <<-'TWO' > /all
$HOME
ONE
	$HOME
	TWO
