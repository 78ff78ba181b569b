FROM castoff.test/busybox
RUN <<EOF
#!/usr/bin/env python3
print("hello")
EOF
