FROM castoff.test/${busybox
