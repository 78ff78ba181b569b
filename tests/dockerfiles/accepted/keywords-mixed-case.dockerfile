FrOm castoff.test/busybox
eNV a=1
Label b=2
wOrKdIr /d
Onbuild Run true
HealthCheck Cmd true
cMD ["x"]
