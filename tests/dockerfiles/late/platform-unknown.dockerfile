FROM --platform=no/such/platform/at/all castoff.test/busybox
LABEL a=1
