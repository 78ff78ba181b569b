FROM castoff.test/busybox
VOLUME [  "/a" , "/b"   ]
SHELL   [ "sh" ,"-c" ]
COPY [ "app.txt" , "/x/" ]
