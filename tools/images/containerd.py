"""Images for the local cluster: from buildah's store into its containerd, only the layers that it lacks."""

import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from tools.cache import cache_root, locked
from tools.cluster.layout import CONTAINERD_SOCKET
from tools.images.buildah import ImageError, buildah

_NAME = "io.containerd.image.name"
_REFERENCE = "org.opencontainers.image.ref.name"


def load(image: str) -> bool:
    """Put `image` where the cluster's pods find it; return False when the same content was there already."""
    layout = _Layout(cache_root() / "layout")
    with locked(layout.folder):
        manifest = layout.export(image)
        if manifest["digest"] == _loaded_digest(image):
            return False
        lacking = layout.blobs(manifest) - set(_ctr("content", "list", "--quiet").split())
        with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
            layout.write(Path(archive.name), image, manifest, lacking)
            _ctr("images", "import", archive.name)
    return True


class _Layout:
    """A folder of image blobs named by digest, in which images share their layers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def export(self, image: str) -> dict[str, Any]:
        """Bring `image` here from buildah's store and return the descriptor of its manifest."""
        tag = image.replace("/", "_").replace(":", "_")
        # Compressing what never leaves this machine costs more than it saves.
        buildah("push", "--quiet", "--disable-compression", image, f"oci:{self.folder}:{tag}")
        descriptors = self._index()["manifests"]
        self._prune(descriptors)
        found = next(one for one in descriptors if one["annotations"][_REFERENCE] == tag)
        return dict(found)

    def blobs(self, manifest: dict[str, Any]) -> set[str]:
        """Return the digests of all that the image of `manifest` consists of."""
        parts = json.loads(self._blob(manifest["digest"]).read_text())
        return {manifest["digest"], parts["config"]["digest"], *(layer["digest"] for layer in parts["layers"])}

    def write(self, archive: Path, image: str, manifest: dict[str, Any], lacking: set[str]) -> None:
        """Write an archive of the image that holds only the blobs that are `lacking` at its destination."""
        descriptor = manifest | {"annotations": {_NAME: image}}
        index = {"schemaVersion": 2, "manifests": [descriptor]}
        with tarfile.open(archive, "w") as tar:
            _add(tar, "oci-layout", {"imageLayoutVersion": "1.0.0"})
            _add(tar, "index.json", index)
            # containerd reads the manifest from the archive even where it holds it already.
            for digest in sorted(lacking | {manifest["digest"]}):
                tar.add(self._blob(digest), f"blobs/{digest.replace(':', '/')}")

    def _index(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "index.json").read_text()))

    def _blob(self, digest: str) -> Path:
        return self.folder / "blobs" / digest.replace(":", "/")

    def _prune(self, descriptors: list[dict[str, Any]]) -> None:
        """Delete what no image of the index consists of any more: every build would leave its layers here."""
        kept = {digest for descriptor in descriptors for digest in self.blobs(descriptor)}
        for blob in (self.folder / "blobs" / "sha256").iterdir():
            if f"sha256:{blob.name}" not in kept:
                blob.unlink()


def _loaded_digest(image: str) -> str | None:
    rows = _ctr("images", "list", f"name=={image}").splitlines()[1:]
    return rows[0].split()[2] if rows else None


def _add(tar: tarfile.TarFile, name: str, content: object) -> None:
    data = json.dumps(content).encode()
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def _ctr(*arguments: str) -> str:
    command = ["ctr", "--address", str(CONTAINERD_SOCKET), "--namespace", "k8s.io", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(command)} failed: {done.stderr.strip()[-3000:]}"
        raise ImageError(message)
    return done.stdout
