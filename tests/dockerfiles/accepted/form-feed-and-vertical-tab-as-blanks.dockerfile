FROMcastoff.test/busybox
CMDechox
LABEL a=1b=2
