# escape=`
FROM castoff.test/busybox
ENV quote=`"x`" blank=a` b dollar=`$HOME back=a\b
LABEL tick="a``b" cite="say `"hi`""
WORKDIR /a\b
