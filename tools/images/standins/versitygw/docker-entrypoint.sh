#!/bin/sh
# Arguments are the program's own; without any, the backend and its folder come from the environment.
set -eu
if [ "$#" -eq 0 ]; then
    # shellcheck disable=SC2086
    set -- ${VGW_ARGS:-} "${VGW_BACKEND:?arguments or VGW_BACKEND are needed}" ${VGW_BACKEND_ARG:-} ${VGW_BACKEND_ARGS:-}
fi
exec /usr/local/bin/versitygw "$@"
