#!/bin/bash
# Makes a database cluster on first start, runs the init scripts against a server that only the
# container itself can reach, and then becomes the real server.
set -Eeuo pipefail

fail() {
    echo "Error: $*" >&2
    exit 1
}

# The value of $1, or of the file that $1_FILE names, or $2.
setting() {
    local name=$1 file=$1_FILE
    if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
        fail "both $name and $file are set (but are exclusive)"
    elif [ -n "${!file:-}" ]; then
        export "$name=$(<"${!file}")"
    else
        export "$name=${!name:-${2:-}}"
    fi
    unset "$file"
}

settings() {
    setting POSTGRES_PASSWORD
    setting POSTGRES_USER postgres
    setting POSTGRES_DB "$POSTGRES_USER"
    setting POSTGRES_INITDB_ARGS
    : "${POSTGRES_HOST_AUTH_METHOD:=}"
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
        cat >&2 <<'END'
Error: Database is uninitialized and superuser password is not specified.
       Set POSTGRES_PASSWORD to a non-empty value, or POSTGRES_HOST_AUTH_METHOD=trust to
       allow every connection without a password.
END
        exit 1
    fi
}

make_cluster() {
    local arguments=()
    eval "arguments=($POSTGRES_INITDB_ARGS)"
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") \
        "${arguments[@]}"
    local method=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption)}
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# psql against the temporary server; the first error ends it.
run_sql() {
    PGHOST='' PGHOSTADDR='' PGPASSWORD=$POSTGRES_PASSWORD psql --set ON_ERROR_STOP=1 \
        --no-password --no-psqlrc --username "$POSTGRES_USER" "$@"
}

run_scripts() {
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        case "$script" in
            *.sh)
                echo "$0: running $script"
                if [ -x "$script" ]; then "$script"; else . "$script"; fi
                ;;
            *.sql)
                echo "$0: running $script"
                run_sql --dbname "$POSTGRES_DB" --file "$script"
                ;;
            *.sql.gz)
                echo "$0: running $script"
                gunzip --stdout "$script" | run_sql --dbname "$POSTGRES_DB"
                ;;
            */\*) ;;
            *) echo "$0: ignoring $script" ;;
        esac
    done
}

initialize() {
    settings
    make_cluster
    # Only the socket: nobody outside takes this server for the finished one.
    pg_ctl --pgdata="$PGDATA" --wait --silent \
        --options="$(printf '%q ' "$@" -c listen_addresses= -p "${PGPORT:-5432}")" start
    if [ "$POSTGRES_DB" != postgres ]; then
        run_sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
    fi
    run_scripts
    pg_ctl --pgdata="$PGDATA" --mode=fast --wait --silent stop
    echo
    echo 'PostgreSQL init process complete; ready for start up.'
    echo
}

if [[ "${1:-}" == -* || $# -eq 0 ]]; then
    set -- postgres "$@"
fi

if [ "$1" = postgres ]; then
    mkdir -p "$PGDATA"
    if [ "$(id -u)" = 0 ]; then
        # A mount, a tmpfs for example, comes as root's.
        find "$PGDATA" \! -user postgres -exec chown postgres:postgres '{}' +
        chown postgres:postgres /var/run/postgresql
        exec setpriv --reuid postgres --regid postgres --init-groups -- "$0" "$@"
    fi
    chmod 700 "$PGDATA" || true
    if [ -s "$PGDATA/PG_VERSION" ]; then
        echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
    else
        initialize "${@:2}"
    fi
fi

exec "$@"
