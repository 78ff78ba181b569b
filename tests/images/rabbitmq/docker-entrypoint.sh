#!/bin/bash
# Runs RabbitMQ's commands as its user.
set -e

if [[ "$1" == rabbitmq* ]] && [ "$(id -u)" = 0 ]; then
    if [ "$1" = rabbitmq-server ]; then
        find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq '{}' +
    fi
    exec setpriv --reuid rabbitmq --regid rabbitmq --init-groups -- "$0" "$@"
fi

exec "$@"
