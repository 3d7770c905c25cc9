"""Docker's command where its daemon does not answer: buildah, with the same arguments, on the store of Warren's images.

Like Docker, it speaks to a registry on a loopback address by plain http.
"""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.images import buildah
from tools.images.components import name

_MACHINES = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX")
"""Settings of this machine's package clients, which the Dockerfiles take as arguments and the pages leave out."""
_SCRIPT = """\
#!/bin/sh
did=$1
shift
case $did in
    build) exec {buildah} build --isolation=chroot --pull-never --layers {options} "$@" ;;
    push) exec {buildah} push --tls-verify=false --disable-compression "$@" ;;
esac
exit 125
"""


@contextmanager
def standing_in(folder: Path, team: str) -> Iterator[Path]:
    """Give a folder for PATH with a `docker` that has Warren's consumer as one of the team's images.

    `team` is what the names of all images begin with that are built meanwhile: they go at the end.
    """
    program = folder / "bin" / "docker"
    program.parent.mkdir()
    store = ["buildah", "--root", str(buildah.STORE), "--runroot", str(buildah.RUN_ROOT)]
    options = [f"--build-arg={known}={os.environ[known]}" for known in _MACHINES if known in os.environ]
    options.append("--volume=/etc/ssl/certs:/etc/ssl/certs:ro")
    program.write_text(_SCRIPT.format(buildah=shlex.join(store), options=shlex.join(options)))
    program.chmod(0o755)
    buildah.buildah("tag", name("consumer"), name("consumer", team))
    try:
        yield program.parent
    finally:
        for image in buildah.buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
            # The name alone: the image itself stays where it has another one.
            if image.startswith(f"{team}/"):
                buildah.buildah("rmi", image)
