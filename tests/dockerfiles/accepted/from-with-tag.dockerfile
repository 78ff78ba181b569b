FROM castoff.test/busybox:latest
CMD ["true"]
