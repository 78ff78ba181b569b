ARG DEBUG=
ARG BASE=busybox
FROM castoff.test/${BASE}${DEBUG:+:debug}
LABEL debug=off
