#!/bin/bash
# Makes the user and the database of the environment, and runs the server as its own user.
set -e

user=${CLICKHOUSE_USER:-default}
users=/etc/clickhouse-server/users.d/default-user.xml
cat >"$users" <<END
<yandex>
    <users>
        <default remove="remove"></default>
        <$user>
            <profile>default</profile>
            <quota>default</quota>
            <networks><ip>::/0</ip></networks>
            <password><![CDATA[${CLICKHOUSE_PASSWORD:-}]]></password>
        </$user>
    </users>
</yandex>
END
chown -R clickhouse:clickhouse /var/lib/clickhouse "$users"
run() {
    exec setpriv --reuid clickhouse --regid clickhouse --init-groups -- \
        clickhouse-server --config-file=/etc/clickhouse-server/config.xml "$@"
}

if [ -n "${CLICKHOUSE_DB:-}" ] && [ ! -d "/var/lib/clickhouse/data/$CLICKHOUSE_DB" ]; then
    (run -- --listen_host=127.0.0.1 --http_port=18123 --tcp_port=19000) &
    server=$!
    client() {
        clickhouse-client --host 127.0.0.1 --port 19000 --user "$user" --password "$CLICKHOUSE_PASSWORD" "$@"
    }
    until client --query 'SELECT 1' >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || { wait "$server"; exit 1; }
        sleep 0.1
    done
    client --query "CREATE DATABASE IF NOT EXISTS \`$CLICKHOUSE_DB\`"
    kill "$server"
    wait "$server" || true
fi

run
