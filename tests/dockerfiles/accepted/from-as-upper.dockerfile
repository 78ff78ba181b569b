FROM castoff.test/busybox AS base
LABEL stage=base
