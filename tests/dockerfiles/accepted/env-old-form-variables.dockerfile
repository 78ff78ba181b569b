FROM scratch
ENV base /opt
ENV path $base/bin:${base}/sbin
