#!/bin/bash
# Makes the data directory on first start, runs the init scripts against a server without a network,
# and then becomes the real server.
set -eo pipefail
shopt -s nullglob

data=/var/lib/mysql
socket=/run/mysqld/mysqld.sock

# A text in SQL.
literal() {
    local text=${1//\\/\\\\}
    printf "'%s'" "${text//\'/\'\'}"
}

identifier() {
    printf '`%s`' "${1//\`/\`\`}"
}

run_sql() {
    mysql --protocol=socket --socket="$socket" -uroot --comments "$@"
}

run_scripts() {
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        echo "running $script"
        case "$script" in
            *.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
            *.sql) run_sql "$MYSQL_DATABASE" <"$script" ;;
            *.sql.gz) gunzip --stdout "$script" | run_sql "$MYSQL_DATABASE" ;;
            *) echo "ignoring $script" ;;
        esac
    done
}

initialize() {
    if [ -z "${MYSQL_ROOT_PASSWORD:-}" ]; then
        echo 'MYSQL_ROOT_PASSWORD is not set' >&2
        exit 1
    fi
    "$@" --initialize-insecure
    "$@" --skip-networking --socket="$socket" &
    local server=$!
    until run_sql -e 'SELECT 1' >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || { wait "$server"; exit 1; }
        sleep 0.05
    done
    {
        if [ -n "${MYSQL_DATABASE:-}" ]; then
            echo "CREATE DATABASE IF NOT EXISTS $(identifier "$MYSQL_DATABASE");"
        fi
        if [ -n "${MYSQL_USER:-}" ]; then
            echo "CREATE USER $(literal "$MYSQL_USER")@'%' IDENTIFIED BY $(literal "$MYSQL_PASSWORD");"
            echo "GRANT ALL ON $(identifier "${MYSQL_DATABASE//_/\\_}").* TO $(literal "$MYSQL_USER")@'%';"
        fi
    } | run_sql
    run_scripts
    {
        echo "CREATE USER 'root'@'%' IDENTIFIED BY $(literal "$MYSQL_ROOT_PASSWORD");"
        echo "GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;"
        echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $(literal "$MYSQL_ROOT_PASSWORD");"
    } | run_sql
    kill "$server"
    wait "$server" || true
    echo 'MySQL init process done. Ready for start up.'
}

if [[ "${1:-}" == -* || $# -eq 0 ]]; then
    set -- mysqld "$@"
fi

if [ "$1" = mysqld ]; then
    if [ "$(id -u)" = 0 ]; then
        find "$data" \! -user mysql -exec chown mysql:mysql '{}' +
        exec setpriv --reuid mysql --regid mysql --init-groups -- "$0" "$@"
    fi
    if [ ! -d "$data/mysql" ]; then
        initialize "$@"
    fi
fi

exec "$@"
