#!/bin/sh
# Makes .venv on a machine that has python3 and make: `tools/bootstrap.sh run|dev`.
#
#   run   what `make run` needs: the project with every extra but dev, and the servers' Debian packages
#   dev   what `make test` and `make lint` need: the same and the development tools
#
# Everything comes from the hashed locks in requirements/, through the machine's own pip and uv settings. A stamp makes
# the second call free. PYTHON names another interpreter than python3.
set -eu

mode=${1:-dev}
case "$mode" in run | dev) ;; *) echo "usage: tools/bootstrap.sh run|dev" >&2 && exit 2 ;; esac

cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=.venv
stamp=$venv/.warren-$mode

key() {
    {
        cat requirements/bootstrap.txt "requirements/$mode.txt" pyproject.toml tools/bootstrap.sh && pwd
    } | sha256sum
}
if [ "$(cat "$stamp" 2>/dev/null)" = "$(key)" ] && [ -x $venv/bin/python ]; then exit 0; fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: warren needs Python 3.11 or newer, and '$python' is $("$python" -V 2>&1 || true)." >&2
    echo "Name another one: make PYTHON=python3.12 ..." >&2
    exit 1
}

# All Debian packages at once, so that somebody without the right to install has one command to run and not three.
"$python" -m tools.stack.packages "$mode"

mkdir -p $venv
exec 9>$venv/.warren-lock
flock 9

setting() { "$venv/bin/python" -m pip config get "$1" 2>/dev/null || true; }
uv() {
    "$venv/bin/uv" --quiet --no-progress pip install --python $venv/bin/python "$@"
}

started=$(date +%s)
echo "making $venv ($mode) with $("$python" -V) ..." >&2
$venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear $venv
$venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt

# uv does not read pip's settings: a machine that has only those keeps its index and its CA.
index=${PIP_INDEX_URL:-$(setting global.index-url)}
certificates=${PIP_CERT:-$(setting global.cert)}
if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then export UV_DEFAULT_INDEX="$index"; fi
if [ -n "$certificates" ] && [ -z "${SSL_CERT_FILE:-}" ]; then export SSL_CERT_FILE="$certificates"; fi

# Compiled once here, not at every start: some machines forbid Python to write bytecode as it goes.
uv --compile-bytecode --require-hashes -r "requirements/$mode.txt"
uv --no-deps --no-build-isolation --editable .
key >"$stamp"
echo "made $venv in $(($(date +%s) - started)) s" >&2
