#!/bin/sh
# Runs what is in /docker-entrypoint.d, and becomes the command.
set -e

for script in /docker-entrypoint.d/*.sh; do
    if [ -x "$script" ]; then
        "$script"
    fi
done

exec "$@"
