"""Images for the local cluster: from buildah's store into its containerd, only the layers that it lacks."""

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import IO, Any, cast

from tools.cluster.layout import CONTAINERD_SOCKET, STATE
from tools.images import buildah
from tools.images.buildah import ImageError

_CTR = ("ctr", "--address", str(CONTAINERD_SOCKET), "--namespace", "k8s.io")
_CONTENT = STATE / "containerd/root/io.containerd.content.v1.content/blobs/sha256"


def load(image: str) -> bool:
    """Put `image` where the cluster's pods find it; return False when the same content was there already."""
    if not CONTAINERD_SOCKET.exists():
        message = "the local cluster is not up; run: make cluster"
        raise ImageError(message)
    identity = buildah.identity(image)
    if identity is None:
        message = f"there is no image {image}; build it first"
        raise ImageError(message)
    if identity == _loaded_identity(image):
        return False
    with _scratch() as layout:
        _export(image, layout)
        _import(image, layout)
    return True


def _export(image: str, layout: Path) -> None:
    """Write the image to `layout`, less the layers that containerd has.

    A layer whose digest is in the layout is not written again, so links stand in for those. Nothing is compressed:
    for what never leaves this machine that costs more than it saves.
    """
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)
    for blob in _CONTENT.glob("*"):
        (blobs / blob.name).symlink_to(blob)
    source = f"containers-storage:[overlay@{buildah.STORE}+{buildah.RUN_ROOT}]{image}"
    command = ["skopeo", "copy", "--quiet", "--dest-oci-accept-uncompressed-layers", source, f"oci:{layout}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(command)} failed: {done.stderr.strip()}"
        raise ImageError(message)


def _import(image: str, layout: Path) -> None:
    with subprocess.Popen([*_CTR, "images", "import", "-"], stdin=PIPE, stdout=DEVNULL, stderr=PIPE) as importer:
        with suppress(BrokenPipeError):
            _write_archive(cast("IO[bytes]", importer.stdin), image, layout)
        said = importer.communicate()[1]
    if importer.returncode:
        message = f"containerd does not take {image}: {said.decode(errors='replace').strip()}"
        raise ImageError(message)


def _write_archive(archive: IO[bytes], image: str, layout: Path) -> None:
    index = json.loads((layout / "index.json").read_text())
    manifest = index["manifests"][0]
    manifest["annotations"] = {"io.containerd.image.name": image}
    with tarfile.open(fileobj=archive, mode="w|", dereference=True) as tar:
        _add(tar, "oci-layout", {"imageLayoutVersion": "1.0.0"})
        _add(tar, "index.json", index)
        for blob in sorted((layout / "blobs/sha256").iterdir()):
            # containerd reads the manifest from the archive even where it holds it already.
            if not blob.is_symlink() or manifest["digest"].endswith(blob.name):
                tar.add(blob, f"blobs/sha256/{blob.name}")


def _loaded_identity(image: str) -> str | None:
    rows = _ctr("images", "list", f"name=={image}").splitlines()[1:]
    if not rows:
        return None
    manifest: dict[str, Any] = json.loads(_ctr("content", "get", rows[0].split()[2]))
    return str(manifest["config"]["digest"])


@contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder in memory: layers pass through it once, and disks are slow."""
    with tempfile.TemporaryDirectory(dir=STATE) as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80%", "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def _add(tar: tarfile.TarFile, name: str, content: object) -> None:
    data = json.dumps(content).encode()
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def _ctr(*arguments: str) -> str:
    done = subprocess.run([*_CTR, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"ctr {' '.join(arguments)} failed: {done.stderr.strip()[-3000:]}"
        raise ImageError(message)
    return done.stdout
