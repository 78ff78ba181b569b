FROM castoff.test/busybox AS first
LABEL one=1
FROM first AS second
LABEL two=2
FROM second
LABEL three=3
