FROM castoff.test/busybox
RUN set -eu; echo a | grep -q a && { false || true; } && (exit 0); for i in 1 2; do test -n "$i"; done
