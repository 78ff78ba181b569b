From castoff.test/busybox aS Base
LABEL stage=base
