"""Warren's own images, one per component, from the one Dockerfile of the checkout."""

import hashlib
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tools.debian import ensure_packages
from tools.gobuild import CHECKOUT
from tools.images import buildah, docker
from tools.images.standins import PYTHON, ensure_base

DEFAULT: Final = ("producer", "consumer", "training", "operator")
COMPONENTS: Final = (*DEFAULT, "consumer-gpu")
LOCAL_REGISTRY: Final = "localhost"

_CERTIFICATES = "/etc/ssl/certs"
_INPUTS_LABEL = "dev.warren.inputs"
# What the Dockerfile copies into the image of a component.
_FILES = ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE", "requirements/bootstrap.txt")
_FOLDERS = ("core", "producer", "consumer", "operator")
# Settings of this machine's package clients that a build needs as well; the Dockerfile keeps none of them.
_INDEX_SETTINGS = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX")


def version() -> str:
    """Return the project's version, which is the tag of its images."""
    return str(tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"])


def name(component: str, registry: str = LOCAL_REGISTRY, tag: str | None = None) -> str:
    """Return the full name of the image of `component`."""
    return f"{registry.rstrip('/')}/warren-{component}:{tag or version()}"


def build(component: str, image: str) -> None:
    """Build the image of `component` under the name `image`: with Docker where it answers, else with buildah."""
    build_in(CHECKOUT, image, {"COMPONENT": component}, lambda: _inputs(component))


def build_in(context: Path, image: str, arguments: Mapping[str, str], inputs: Callable[[], str]) -> None:
    """Build the Dockerfile of a folder as `image`, unless it was built from the same inputs. Raises `ImageError`."""
    given = dict(arguments) | {key: os.environ[key] for key in _INDEX_SETTINGS if key in os.environ}
    if docker.usable():
        docker.build(image, context, given)
        return
    ensure_packages(["buildah"])
    ensure_base()
    key = inputs()
    if buildah.label(image, _INPUTS_LABEL) == key:
        return
    options = [f"--build-arg={name}={value}" for name, value in given.items()]
    if Path(_CERTIFICATES).is_dir():
        options.append(f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro")
    buildah.build(image, context, context / "Dockerfile", [*options, f"--label={_INPUTS_LABEL}={key}"])


def push(images: Sequence[str]) -> None:
    """Push `images` to their registry, with the credentials that Docker or buildah keeps. Raises `ImageError`."""
    for image in images:
        if docker.usable():
            docker.docker("push", image)
        else:
            buildah.buildah("push", image)


def _inputs(component: str) -> str:
    """Return a key of all that the image is made from: buildah itself takes seconds to find that nothing changed."""
    files = [CHECKOUT / name for name in (*_FILES, f"requirements/{component}.txt")]
    sources = [path for folder in _FOLDERS for path in (CHECKOUT / folder).rglob("*")]
    return key_of(PYTHON, CHECKOUT, [*files, *sorted(sources)])


def key_of(base: str, folder: Path, paths: Iterable[Path]) -> str:
    """Return a key of an image in the store and of those files of a folder."""
    key = hashlib.sha256((buildah.identity(base) or "").encode())
    for path in paths:
        if path.is_file() and "__pycache__" not in path.parts:
            key.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return key.hexdigest()[:16]
