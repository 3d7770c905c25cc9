#!/bin/sh
# Compiles requirements/*.txt, with hashes and without addresses: one file per set of extras in pyproject.toml, those of
# what makes the environment itself (uv) and of Go where the machine has none, and those of the example task packages.
set -eu
cd "$(dirname "$0")/.."

lock() {
    name=$1
    source=$2
    shift 2
    extras=""
    for extra in "$@"; do extras="$extras --extra $extra"; done
    # shellcheck disable=SC2086  # a list of options
    .venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
        --no-emit-index-url "$source" $extras --output-file "requirements/$name.txt"
}

lock producer pyproject.toml producer
lock consumer pyproject.toml consumer
lock consumer-gpu pyproject.toml consumer-gpu
lock training pyproject.toml consumer training
lock operator pyproject.toml operator
lock run pyproject.toml producer consumer training
lock dev pyproject.toml producer consumer training operator simulate dev
lock bootstrap requirements/bootstrap.in
lock go requirements/go.in
lock peers requirements/peers.in
# Each task package of examples/ keeps its own, as a package of one's own would.
for package in audio_length lottery_results; do
    lock "../examples/$package/requirements" "examples/$package/pyproject.toml"
done
