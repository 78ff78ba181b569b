FROM castoff.test/busybox
RUN python3 <<EOF
with open("/hello", "w") as file:
    print("hello", file=file)
EOF
