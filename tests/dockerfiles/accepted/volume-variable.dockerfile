FROM castoff.test/busybox
ENV dir=/data
VOLUME $dir ${dir}/logs "/quoted"
