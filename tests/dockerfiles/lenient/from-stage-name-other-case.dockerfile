FROM castoff.test/busybox AS Builder
LABEL one=1
FROM BUILDER AS last
LABEL two=2
