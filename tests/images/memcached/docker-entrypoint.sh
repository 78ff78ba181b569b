#!/bin/sh
# Arguments that begin with a dash go to memcached.
set -eu

case "${1:-}" in
    -*) set -- memcached "$@" ;;
esac

exec "$@"
