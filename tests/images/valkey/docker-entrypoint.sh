#!/bin/sh
# Arguments that begin with a dash, and configuration files, go to valkey-server.
set -eu

case "${1:-}" in
    '' | -* | *.conf) set -- valkey-server "$@" ;;
esac

# Whether the only argument asks valkey-server something instead of running it.
asks() {
    case "$#:${1:-}" in
        1:-v | 1:--version | 1:-h | 1:--help | *:--test-memory | *:--check-system) true ;;
        *) false ;;
    esac
}

server=$1
shift
if [ "$server" = valkey-server ] && ! asks "$@"; then
    # Other hosts connect, so protection by interface is off unless the caller turns it on. It
    # goes after a configuration file, which has to come first, and before the caller's options.
    case "${1:-}" in
        *.conf) file=$1; shift; set -- "$file" --protected-mode no "$@" ;;
        *) set -- --protected-mode no "$@" ;;
    esac
    if [ "$(id -u)" = 0 ]; then
        find . \! -user valkey -exec chown valkey:valkey '{}' +
        exec setpriv --reuid valkey --regid valkey --init-groups -- "$server" "$@"
    fi
fi

exec "$server" "$@"
