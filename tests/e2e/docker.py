"""Docker's command where its daemon does not answer: buildah, with the same arguments, on the store of Warren's images.

There is no registry: of an image that is pushed, and is there, its name is noted.
"""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.images import buildah
from tools.images.components import name

REGISTRY = "registry.example.com/team"
"""The pages' own."""
_MACHINES = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX")
"""Settings of this machine's package clients, which the Dockerfiles take as arguments and the pages leave out."""
_SCRIPT = """\
#!/bin/sh
set -e
did=$1
shift
case $did in
    build) exec {buildah} build --isolation=chroot --pull-never --layers {options} "$@" ;;
    push) {buildah} inspect --type=image "$1" > /dev/null && echo "$1" >> {pushed} && exit ;;
esac
exit 125
"""


@contextmanager
def standing_in(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Give a folder for PATH with a `docker` that has Warren's consumer, and the file that says what it pushed."""
    program, pushed = folder / "bin" / "docker", folder / "pushed"
    program.parent.mkdir()
    store = ["buildah", "--root", str(buildah.STORE), "--runroot", str(buildah.RUN_ROOT)]
    options = [f"--build-arg={known}={os.environ[known]}" for known in _MACHINES if known in os.environ]
    options.append("--volume=/etc/ssl/certs:/etc/ssl/certs:ro")
    program.write_text(_SCRIPT.format(buildah=shlex.join(store), options=shlex.join(options), pushed=pushed))
    program.chmod(0o755)
    base = name("consumer", REGISTRY)
    buildah.buildah("tag", name("consumer"), base)
    try:
        yield program.parent, pushed
    finally:
        for image in {base, *(pushed.read_text().split() if pushed.exists() else ())}:
            # The name alone: the image itself stays where it has another one.
            buildah.buildah("rmi", image)
