#!/bin/bash
# Runs the server in the foreground, which is all that a container needs.
set -e

heap=${ZK_SERVER_HEAP:-1000}
# All libraries but those that would keep the log from being printed.
jars=$(find /usr/share/java -name '*.jar' ! -name 'slf4j-*' -printf ':%p')
jars=$jars:/usr/share/java/slf4j-api.jar:/usr/share/java/slf4j-simple.jar
# Words are meant to be split.
# shellcheck disable=SC2086
exec java -Xmx"${heap}m" ${JVMFLAGS:-} \
    -cp "${jars#:}" \
    org.apache.zookeeper.server.quorum.QuorumPeerMain "$ZOO_CONF_DIR/zoo.cfg"
