FROM castoff.test/busybox
CMD cat <<EOF
LABEL a="<<EOF" b=<<EOF
ENV c <<EOF
ENTRYPOINT ["cat", "<<EOF"]
