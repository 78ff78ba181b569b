FROM castoff.test/busybox
HEALTHCHECK --interval=1h2m3.5s --timeout=1500ms --start-period=2us300ms CMD true
