# escape=`
FROM castoff.test/busybox
LABEL a=1 `
      b=2
ENV path=c:\windows\system32
