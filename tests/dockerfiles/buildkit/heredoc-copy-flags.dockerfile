FROM castoff.test/busybox
COPY --chmod=0755 --chown=app:app --link <<EOF /usr/bin/hello
#!/bin/sh
echo hello
EOF
