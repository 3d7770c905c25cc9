#!/bin/sh
# Compiles requirements/*.txt, with hashes and without addresses, from pyproject.toml: one file per set of extras.
set -eu
cd "$(dirname "$0")/.."

lock() {
    name=$1
    shift
    extras=""
    for extra in "$@"; do extras="$extras --extra $extra"; done
    # shellcheck disable=SC2086  # a list of options
    .venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
        --no-emit-index-url pyproject.toml $extras --output-file "requirements/$name.txt"
}

lock producer producer
lock consumer consumer
lock consumer-gpu consumer-gpu
lock training consumer training
lock operator operator
lock run producer consumer training
lock dev producer consumer training operator dev
