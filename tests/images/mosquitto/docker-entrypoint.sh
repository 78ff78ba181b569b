#!/bin/sh
# The server drops to its own user by itself, which then has to be able to use its directories.
set -eu

if [ "$(id -u)" = 0 ]; then
    chown -R mosquitto:mosquitto /mosquitto || true
fi
exec "$@"
