FROM castoff.test/busybox as base
LABEL stage=base
