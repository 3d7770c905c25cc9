"""Builds with buildah, in a store of images of Warren's own under the cache.

No daemon and no registry is needed: a base image that is not in the store is an error, never a download.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.cache import cache_root

STORE = cache_root() / "containers"
RUN_ROOT = Path("/run/warren-containers")


class ImageError(Exception):
    """An image could not be built, found or moved; the message ends with what buildah or containerd said."""


def build(image: str, context: Path, dockerfile: Path, options: Sequence[str] = ()) -> None:
    """Build `dockerfile` as `image`, reusing every layer whose inputs did not change.

    `options` are flags of `buildah build`.
    """
    buildah(
        "build",
        "--isolation=chroot",
        "--pull-never",
        "--layers",
        f"--file={dockerfile}",
        f"--tag={image}",
        *options,
        str(context),
    )


def import_root(image: str, root: Path) -> None:
    """Make the root file system `root` an image of one layer."""
    container = buildah("from", "scratch").strip()
    try:
        buildah("add", "--quiet", container, f"{root}/", "/")
        buildah("config", "--cmd", "/bin/bash", container)
        buildah("commit", "--quiet", "--disable-compression", container, image)
    finally:
        buildah("rm", container)


def identity(image: str) -> str | None:
    """Return the digest of the image's configuration, which names its content; None when it is not in the store."""
    done = _run("images", "--no-trunc", "--quiet", "--filter", f"reference={image}")
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else None


def label(image: str, name: str) -> str | None:
    """Return the value of a label of the image; None when it has none or is not in the store."""
    form = f'{{{{index .OCIv1.Config.Labels "{name}"}}}}'
    done = _run("inspect", "--type=image", f"--format={form}", image)
    return done.stdout.strip() or None if done.returncode == 0 else None


def buildah(*arguments: str) -> str:
    """Run buildah on that store and return what it printed. Raises `ImageError`."""
    done = _run(*arguments)
    if done.returncode:
        message = f"buildah {' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-4000:]}"
        raise ImageError(message)
    return done.stdout


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    store = ["--root", str(STORE), "--runroot", str(RUN_ROOT)]
    environment = os.environ | {"BUILDAH_ISOLATION": "chroot"}
    return subprocess.run(["buildah", *store, *arguments], env=environment, capture_output=True, text=True, check=False)
