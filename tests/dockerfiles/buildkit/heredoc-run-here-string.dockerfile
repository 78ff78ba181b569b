FROM castoff.test/busybox
SHELL ["/bin/bash", "-c"]
RUN cat <<<word
RUN cat <<< "some words"
LABEL after=yes
