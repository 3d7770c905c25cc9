#!/bin/sh
# Runs the command as the user rabbitmq: root only prepares the data folder.
set -eu
case "$1" in
rabbitmq*)
    if [ "$(id -u)" = 0 ]; then
        chown -R rabbitmq:rabbitmq /var/lib/rabbitmq
        exec setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups "$0" "$@"
    fi
    ;;
esac
exec "$@"
